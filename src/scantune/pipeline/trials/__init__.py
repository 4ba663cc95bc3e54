"""Repeated trainings of one experiment: hyper-parameter search and seeds."""
