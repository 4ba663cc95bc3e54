"""List what lies under a dataset's root: ``python stages/index.py <dataset>`` → ``data/index/<dataset>.csv``."""

from __future__ import annotations

from pathlib import Path

from scantune.cli import stage_main
from scantune.config.load import load


def run(key: str) -> None:
    """Write path, size and digest of every file under the root of ``datasets.<key>``."""
    from scantune.cohort.index import write_index

    write_index(Path(load().datasets[key].root), Path("data/index") / f"{key}.csv")


if __name__ == "__main__":
    stage_main(run)
