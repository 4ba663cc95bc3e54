"""What preprocess and split left on disk, as samples to train and test on."""
