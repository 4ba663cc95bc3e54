"""Blocks of params.yaml to the objects that the library's functions take: what each stage does."""
