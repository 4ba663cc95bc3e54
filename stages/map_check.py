"""Another network to test maps by: ``python stages/map_check.py <name in map_checks>`` → ``outputs/…/map_checks/``."""

from __future__ import annotations

from pathlib import Path

from scantune.config.load import load
from scantune.pipeline.project import named
from scantune.script import stage_main


def run(key: str) -> None:
    """Repeat the training of ``map_checks.<key>``, or copy another experiment's segmentation network."""
    from scantune.pipeline.maps.retraining import write_network

    params = load()
    block = named(params, "map_checks", key)
    write_network(params, key, Path("outputs") / block.experiment / "map_checks" / key)


if __name__ == "__main__":
    stage_main(run)
