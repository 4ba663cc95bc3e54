"""Pictures of a training for users and loggers; no output of a stage depends on them."""
