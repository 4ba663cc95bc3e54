"""The stages evaluate, external and ensemble."""
