"""A file that a client sends itself, in place of its path: in a private folder for as long as it is read."""

from __future__ import annotations

import base64
import binascii
import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from scantune.preprocess.within import Within, refuse_larger, suffix
from scantune.records import ReadError, Sent, Source


@contextlib.contextmanager
def on_disk(sample: Source | Sent, within: Within | None) -> Iterator[tuple[Source, Within | None]]:
    """What a sample is read from, and what may be read for it, for the duration of the context.

    What is sent, and what is opened or unpacked to be read, lies in a private folder. It is made and removed here, and
    not by the process that reads, which a decoder may end.

    Args:
        sample: of what is named by path nothing is copied.
        within: what may be read; None: anything. Of content that is sent its limits alone hold.

    Raises:
        ReadError: the content is empty, too large or not base64, or there is no room for it.
    """
    if isinstance(sample, Source) and within is None:
        yield sample, None
        return
    limits = within or Within(())
    content = b"" if isinstance(sample, Source) else _decoded(sample.content, limits)
    try:
        folder = tempfile.TemporaryDirectory(prefix="scantune-", ignore_cleanup_errors=True)
    except OSError as error:
        raise _no_room(error) from error
    with folder as home:
        if isinstance(sample, Source):
            yield sample, replace(limits, home=home)
            return
        path = Path(home) / f"sent{suffix(Path(sample.name))}"
        try:
            path.write_bytes(content)
        except OSError as error:
            raise _no_room(error) from error
        del content
        yield Source((path,)), replace(limits, folders=(home,), home=home, unzip=True)


def _decoded(content: bytes | str, limits: Within) -> bytes:
    if isinstance(content, str):
        text = "".join(content.split())
        refuse_larger(len(text) // 4 * 3 - 2, limits)
        try:
            content = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise ReadError("the bytes of this row are not base64") from None
    refuse_larger(len(content), limits)
    if not content:
        raise ReadError("the file is empty")
    return content


def _no_room(error: OSError) -> ReadError:
    return ReadError(f"the file cannot be kept while it is read ({error.strerror or type(error).__name__})")
