"""Another network to test maps by: ``python stages/map_check.py <name in map_checks>`` → ``outputs/…/map_checks/``."""

from __future__ import annotations

from pathlib import Path

from scantune.config.load import load
from scantune.pipeline.project import named
from scantune.script import stage_main


def run(key: str) -> None:
    """Repeat the training of ``map_checks.<key>``, or copy another experiment's segmentation network."""
    from scantune.pipeline.maps.retraining import write_network
    from scantune.pipeline.naming import files_named
    from scantune.pipeline.project import block_of

    params = load()
    block = named(params, "map_checks", key)
    with files_named(params, block_of(params, block.experiment).dataset):
        write_network(params, key, Path("outputs") / block.experiment / "map_checks" / key)


if __name__ == "__main__":
    stage_main(run)
