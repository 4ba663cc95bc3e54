"""List the files under a dataset's root: ``python stages/index.py <dataset>`` → ``data/index/<dataset>/root.csv``."""

from __future__ import annotations

from pathlib import Path

from scantune.config.load import load
from scantune.files import absolute
from scantune.pipeline.project import named
from scantune.script import stage_main


def run(key: str) -> None:
    """Write size and digest of every file under the root (or the watched folder) of ``datasets.<key>``, without names.

    Paths and times stay in the project's own folder, where preprocess finds them: a file that is as it was is not read
    again.
    """
    from scantune.cohort.index import check_links, index_of, read_index, timed_index, write_digests
    from scantune.config.watching import indexed_folder

    params = load()
    dataset = named(params, "datasets", key)
    root = absolute(Path(indexed_folder(dataset)))
    if dataset.follow_links:
        check_links(root, key, [block.path for block in params.watched.values() if block.dataset == key])
    timed = timed_index(dataset.index, key)
    entries = read_index(timed, root) if dataset.index else index_of(root, timed)
    write_digests(entries, root, Path("data/index") / key / "root.csv")


if __name__ == "__main__":
    stage_main(run)
