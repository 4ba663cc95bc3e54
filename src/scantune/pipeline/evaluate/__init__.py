"""What the stages evaluate, external and ensemble do."""
