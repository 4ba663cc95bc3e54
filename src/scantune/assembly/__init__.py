"""From the blocks of ``params.yaml`` to the objects that the library functions take.

The one place that knows both: above it stand the stages and the command line, below it functions that take plain
keywords.
"""
