"""Tables in columns, Parquet and Feather, which pandas reads; and what files are that no reader takes."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from scantune.cohort.excel import text_of
from scantune.cohort.faults import CohortError

_PARQUET, _FEATHER = b"PAR1", b"ARROW1"
_GZIP = b"\x1f\x8b"
_MOST = 1000  # bytes in which a text of JSON shows what it is
_R = (b"RDX", b"RDA", b"X\n", b"A\n", b"B\n")

#: First bytes of a file → what it is and what to do.
_REFUSED = (
    (b"SQLite format 3", "an SQLite database: export the table as CSV"),
    (b"MIME-Version:", "a web page in one file (.mht), as some systems export under .xls: save it in Excel as .xlsx"),
    (b"%PDF", "a PDF: save the table as .xlsx or CSV"),
)
_R_WORDS = 'an R file (.rds, .RData): write.csv(table, "labels.csv", row.names = FALSE) in R saves it as CSV'


def refusal(content: bytes) -> str:
    """What a file of first bytes that are no table's is, and what to save it as; "" for one that may be a table."""
    for start, words in _REFUSED:
        if content.startswith(start):
            return words
    if re.match(rb'(\xef\xbb\xbf)?\s*(\[\s*)?\{\s*"', content[:_MOST]):
        return 'JSON: pandas.read_json("table.json", dtype=False).to_csv("labels.csv", index=False) saves it as CSV'
    if content.startswith(_GZIP):
        return _R_WORDS if _start(content).startswith(_R) else "compressed (gzip): unpack it"
    return _R_WORDS if content.startswith(_R[:2]) else ""


def _start(content: bytes) -> bytes:
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(content)).read(8)
    except (OSError, EOFError, zlib.error):
        return b""


def reader_of(content: bytes) -> Callable[[io.BytesIO], Any] | None:
    """Pandas' reader for a Parquet or Feather file; None for others."""
    if not content.startswith((_PARQUET, _FEATHER)):
        return None
    import pandas as pd

    # whole numbers stay exact beside empty cells: as floats, ids of 16 digits and more would become one another
    read = pd.read_parquet if content.startswith(_PARQUET) else pd.read_feather
    return partial(read, dtype_backend="numpy_nullable")


def unpacked(content: bytes) -> int:
    """Bytes of a Parquet file's columns unpacked, as it states them; of others those of the file."""
    import pyarrow
    import pyarrow.parquet

    if not content.startswith(_PARQUET):
        return len(content)
    try:
        about = pyarrow.parquet.read_metadata(io.BytesIO(content))
    except (pyarrow.ArrowException, OSError):
        return len(content)
    return sum(int(about.row_group(i).total_byte_size) for i in range(about.num_row_groups))


def lines_of(
    content: bytes, path: Path, read: Callable[[io.BytesIO], Any], decimal: str
) -> list[tuple[int, list[str]]]:
    """(line, cells) of the names of the columns and of each row, numbers as in Excel's cells.

    Args:
        content: of the file.
        path: for messages.
        read: from :func:`reader_of`.
        decimal: sign that numbers are written with.

    Raises:
        CohortError: it cannot be read, or a cell holds no text, number or date.
    """
    frame = opened(content, path, read)
    frame = frame.reset_index() if any(frame.index.names) else frame
    odd = [str(c) for c in frame.columns if any(isinstance(cell, dict | bytes) for cell in frame[c].head(5))]
    if odd:
        words = (
            f"its columns {', '.join(odd)} hold files, not texts or numbers: write them as files, and their names here"
        )
        raise CohortError(f"table {path.name}", [words])
    single = [name for name, kind in frame.dtypes.items() if str(kind).lower() in ("float16", "float32")]
    frame = frame.astype(dict.fromkeys(single, "string")).astype(dict.fromkeys(single, "Float64"))  # 0.1 is 0.1
    frame = frame.astype(object).where(frame.notna(), None)
    rows = [[text_of(cell, "", decimal) for cell in row] for row in frame.itertuples(index=False, name=None)]
    return list(enumerate([[str(column) for column in frame.columns], *rows], start=1))


def opened(content: bytes, path: Path, read: Callable[[io.BytesIO], Any]) -> Any:
    """What a library's reader makes of a file.

    Raises:
        CohortError: it cannot be read.
    """
    try:
        return read(io.BytesIO(content))
    except Exception as error:  # the libraries raise anything on damaged bytes
        raise CohortError(
            f"table {path.name}", [f"not a readable {path.suffix} file ({type(error).__name__})"]
        ) from error
