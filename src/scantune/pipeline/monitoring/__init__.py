"""Pictures of a training for people and loggers: nothing that a stage hands on depends on them."""
