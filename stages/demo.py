"""Write a demo cohort: ``python stages/demo.py <name in demo>`` → ``data/demo/<name>/``."""

from __future__ import annotations

from pathlib import Path

from scantune.config.load import load
from scantune.pipeline.project import named
from scantune.script import stage_main


def run(key: str) -> None:
    """Write the cohort of the block ``demo.<key>`` as real files."""
    from scantune import demos

    block = named(load(), "demo", key)
    demos.make(block.cohort, Path("data/demo") / key, seed=block.seed, **block.options)


if __name__ == "__main__":
    stage_main(run)
