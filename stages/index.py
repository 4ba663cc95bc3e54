"""List what lies under a dataset's root: ``python stages/index.py <dataset>`` → ``data/index/<dataset>.csv``."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

from scantune.cli import stage_main
from scantune.config.load import load


def run(key: str) -> None:
    """Write size and digest of every file under the root of ``datasets.<key>``, without times and without names.

    A digest stands for a file's place: names may say who it is of, and outputs are shared. Paths and times stay in the
    project's own folder, where preprocess finds them: a file that is as it was is not read again.
    """
    from scantune.cohort.index import read_index, timed_index, write_index

    dataset = load().datasets[key]
    root = Path(dataset.root).absolute()
    timed = timed_index(dataset.index, key)
    if not dataset.index:
        timed.parent.mkdir(parents=True, exist_ok=True)
        write_index(root, timed)
    out = Path("data/index") / f"{key}.csv"
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["place", "size", "sha256"])
        for path, (size, _, digest) in sorted(read_index(timed, root).items()):
            place = f"{Path(path).relative_to(root).as_posix()}\n{digest}"  # the content keeps it from being guessed
            writer.writerow([hashlib.sha256(place.encode()).hexdigest()[:16], size, digest])


if __name__ == "__main__":
    stage_main(run)
