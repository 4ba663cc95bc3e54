"""What every demo cohort shares: its summary, its table, its README, samples written side by side."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scantune.records import ScantuneError
from scantune.tables import write_csv

#: Stands in every synthetic file's header, table note and README.
SYNTHETIC = "SYNTHETIC image made by scantune; no patient, not for diagnosis"


@dataclass(frozen=True)
class Cohort:
    """What `make` wrote.

    Attributes:
        name: of the cohort.
        folder: where it lies.
        table: the table of labels, or None where class folders or an array file hold them.
        n_samples: rows of the table.
        n_subjects: people in it.
        unusable: sample id to what is wrong with its file, for the samples that are broken on purpose.
    """

    name: str
    folder: Path
    table: Path | None
    n_samples: int
    n_subjects: int
    unusable: Mapping[str, str] = field(default_factory=dict)


def generator(seed: int, *words: str | int) -> np.random.Generator:
    """A generator of its own for each thing drawn, so that adding one draw moves no other.

    Args:
        seed: the cohort's.
        words: what the draw is for ("loes", "subject", 12).
    """
    keys = [zlib.crc32(word.encode()) if isinstance(word, str) else word for word in words]
    return np.random.default_rng([seed, *keys])


def choice(option: str, value: str, allowed: Sequence[str]) -> str:
    """``value`` where it is allowed, else an error that names the option.

    Raises:
        ScantuneError: with what would be right.
    """
    if value not in allowed:
        raise ScantuneError(f"{option}: {value!r} is not one of {', '.join(allowed)}")
    return value


def side_by_side(function: Callable[..., Any], jobs: Iterable[Sequence[Any]], workers: int) -> list[Any]:
    """``[function(*job) for job in jobs]`` in ``workers`` processes, in the order of the jobs."""
    jobs = list(jobs)
    if workers <= 1 or len(jobs) < 2:
        return [function(*job) for job in jobs]
    import joblib

    size = max(1, min(8, len(jobs) // (4 * workers)))
    return joblib.Parallel(n_jobs=workers, batch_size=size)(joblib.delayed(function)(*job) for job in jobs)


def write_table(path: Path, rows: Sequence[Mapping[str, object]], *, delimiter: str = ",") -> Path:
    """Write rows as UTF-8 CSV with Unix line ends; the first row's keys are the header. None is written empty."""
    write_csv(path, list(rows[0]), (list(row.values()) for row in rows), delimiter=delimiter)
    return path


def write_readme(folder: Path, title: str, text: str) -> None:
    """Write README.md beside the table: what the cohort is, and that it is made."""
    lines = "\n".join(line.strip() for line in text.strip().splitlines())
    (folder / "README.md").write_text(f"# {title}\n\n{lines}\n", encoding="utf-8", newline="\n")
