"""Several predictions files in one call: each scored, and each compared with the first on the same subjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune.files import write_json
from scantune.statistics.comparison import holm
from scantune.tasks.comparing import ComparisonError, compare
from scantune.tasks.foreign import load
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.scoring import evaluate

if TYPE_CHECKING:
    from scantune.tasks.base import TaskSettings


def names_of(paths: Sequence[Path]) -> list[str]:
    """What the files are called: their names without ending, or the whole path where names repeat."""
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [str(path) for path in paths]


def score_files(
    paths: Sequence[Path], task: TaskSettings, out: Path | str | None = None, **options: Any
) -> dict[str, Any]:
    """Scores a file for each reader or model; compares each with the first where they are of the same samples.

    Args:
        paths: the files.
        task: settings of the task.
        out: where to write the result as JSON; None: not written.
        options: ``split``, ``draws``, ``seed``, ``confidence`` of :func:`scantune.tasks.scoring.evaluate`, and
            ``case_mix``, to which comparisons are not weighted.

    Returns:
        ``task``, ``headline``, ``files``: name to its ``metrics.json``, and ``comparisons``: name to that with the
        first file, or to the ``reason`` why there is none. ``p_holm_files`` of a comparison is the p-value of its
        primary metric, adjusted for the number of files (Holm).

    Raises:
        PredictionsError: with every fault of a file.
    """
    names = names_of(paths)
    tables: dict[str, PredictionTable] = {}
    files: dict[str, Any] = {}
    for name, path in zip(names, paths, strict=True):
        table, notes = load(path, task)
        tables[name] = replace(table, name=name)
        files[name] = evaluate(tables[name], task, **options) | ({"read_as": notes} if notes else {})
    first = names[0]
    results = {
        "task": task.name,
        "headline": files[first]["headline"],
        "reference": first,
        "files": files,
        "comparisons": _comparisons(tables, first, task, options),
    }
    if out is not None:
        write_json(Path(out), results)
    return results


def _comparisons(
    tables: Mapping[str, PredictionTable], first: str, task: TaskSettings, options: Mapping[str, Any]
) -> dict[str, Any]:
    comparisons: dict[str, Any] = {}
    for name, table in tables.items():
        if name == first:
            continue
        try:
            comparisons[name] = compare(
                tables[first], table, task, **{k: v for k, v in options.items() if k != "case_mix"}
            )
        except ComparisonError as error:
            comparisons[name] = {"reason": str(error)}
    adjusted = holm({name: _primary(entry) for name, entry in comparisons.items()})
    return {name: entry | {"p_holm_files": adjusted[name]} for name, entry in comparisons.items()}


def _primary(comparison: Mapping[str, Any]) -> float | None:
    if "metrics" not in comparison:
        return None
    p: float | None = comparison["metrics"][comparison["primary"]]["difference"]["p_value"]
    return p
