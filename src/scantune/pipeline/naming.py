"""Files of the samples that an error is about, for the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.config.params import Params
    from scantune.records import Record

SHOWN = 20


@contextmanager
def files_named(params: Params, dataset: str) -> Iterator[None]:
    """An error inside that names samples by their ids names their files too.

    Not of a dataset with pseudonyms, whose ids no line shows beside a file.

    Args:
        params: all settings.
        dataset: of the samples.
    """
    try:
        yield
    except ScantuneError as error:
        lines = _lines(str(error), params, dataset)
        if not lines:
            raise
        raise ScantuneError("\n".join([str(error), *lines])) from error


def _lines(message: str, params: Params, dataset: str) -> list[str]:
    from scantune.cohort import read

    block = params.datasets[dataset]
    if block.pseudonyms is not None:
        return []
    try:
        records = read(block, Path()).records
    except (ScantuneError, OSError):  # the first error is the one to tell
        return []
    lines = [f"  {record.sample_id}: {', '.join(map(str, record.files))}" for record in _named_in(message, records)]
    return [*lines[:SHOWN], *([f"  … and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])]


def _named_in(message: str, records: list[Record]) -> Iterator[Record]:
    """Records whose id is a word of the message; of a number only after "sample", since others are counts."""
    words = {word.rstrip(".") for word in re.findall(r"[^\s,;:()'\"]+", message)}
    for record in records:
        name = record.sample_id
        if name not in words or any(str(path) in message for path in record.files):
            continue
        if not name.isdigit() or re.search(rf"\bsample {name}\b", message):
            yield record
