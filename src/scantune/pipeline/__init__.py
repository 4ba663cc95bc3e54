"""The stages: blocks of params.yaml as the objects that the library's functions accept."""
