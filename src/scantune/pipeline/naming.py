"""Files of the samples that a message is about, for the terminal: outputs have ids alone."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.config.params import Params
    from scantune.records import Record

SHOWN = 20


class FileNames:
    """The files of a dataset's samples; its table is read when the first message may name one.

    Not of a dataset with pseudonyms, whose ids no line shows beside a file.

    Args:
        params: all settings.
        dataset: of the samples.
        records: those of its table, where they are known already.
    """

    def __init__(self, params: Params, dataset: str, records: Sequence[Record] | None = None) -> None:
        self.params, self.dataset, self.known = params, dataset, records

    def added(self, message: str) -> str:
        """The message, with a line below it for each sample that it names by its id and not by its file."""
        lines = [f"  {one.sample_id}: {', '.join(map(str, one.files))}" for one in _named_in(message, self._records)]
        more = [f"  … and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        return "\n".join([message, *lines[:SHOWN], *more])

    @cached_property
    def _records(self) -> Sequence[Record]:
        from scantune.cohort import read

        block = self.params.datasets[self.dataset]
        if block.pseudonyms is not None:
            return []
        if self.known is not None:
            return self.known
        try:
            return read(block, Path()).records
        except (ScantuneError, OSError):  # the first error is the one to tell
            return []


@contextmanager
def files_named(params: Params, dataset: str) -> Iterator[None]:
    """Errors and logged warnings inside that name samples by their ids name their files too; see :class:`FileNames`."""
    names = FileNames(params, dataset)

    def added(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING and not getattr(record, "with_files", False):
            record.msg, record.args, record.with_files = names.added(record.getMessage()), (), True
        return True

    handlers = list(logging.getLogger().handlers)
    for handler in handlers:
        handler.addFilter(added)
    try:
        yield
    except ScantuneError as error:
        text = names.added(str(error))
        if text == str(error):
            raise
        raise ScantuneError(text) from error
    finally:
        for handler in handlers:
            handler.removeFilter(added)


def _named_in(message: str, records: Sequence[Record]) -> Iterator[Record]:
    """Records whose id is a word of the message; an id that is a number only after "sample": others are counts."""
    words = {word.rstrip(".") for word in re.findall(r"[^\s,;:()'\"]+", message)}
    listed = {word for some in re.findall(r"\bsamples? ((?:\w+, )*\w+)", message) for word in some.split(", ")}
    for record in records:
        name = record.sample_id
        if name in (listed if name.isdigit() else words) and not any(str(path) in message for path in record.files):
            yield record
