"""What a dataset reads elsewhere: ``python stages/watched.py <watched>`` → ``data/index/<dataset>/<watched>.csv``."""

from __future__ import annotations

from pathlib import Path

from scantune.config.load import load
from scantune.files import absolute
from scantune.pipeline.project import named
from scantune.script import stage_main


def run(key: str) -> None:
    """Write size and digest of the file of ``watched.<key>``, or of every file in its folder, without names."""
    from scantune.cohort.index import index_of, write_digests
    from scantune.tracking import own_folder

    block = named(load(), "watched", key)
    path = absolute(Path(block.path))
    entries = index_of(path, own_folder() / "index" / "watched" / f"{key}.csv")
    write_digests(entries, path, Path("data/index") / block.dataset / f"{key}.csv")


if __name__ == "__main__":
    stage_main(run)
