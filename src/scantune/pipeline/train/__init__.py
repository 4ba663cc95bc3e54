"""What the train stage does."""
