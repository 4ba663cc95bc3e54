"""Several samples of one study or subject joined to one row, by the rule that the task's settings state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from scantune.class_names import EMPTY, label
from scantune.statistics.ages import is_age, years
from scantune.tasks.joining import Aggregate
from scantune.tasks.predictions import Faults, PredictionTable, grouped

_RULES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean": lambda block: block.mean(0),
    "median": lambda block: np.median(block, axis=0),
    "max": lambda block: block.max(0),
    "vote": lambda block: np.eye(block.shape[1])[block.argmax(1)].mean(0),
}


def join(table: PredictionTable, rule: Aggregate, faults: Faults, *, exclusive: bool = True) -> PredictionTable:
    """One row for each value of ``rule.by`` in each split.

    Numbers (``target``, ``prediction`` of a regression, of several targets each) join by the rule; of targets those
    that are known. The probabilities of one target join by the rule and are made to sum to one again (where all their
    medians are 0 it is their mean), but for those of a task whose classes do not exclude each other, where each column
    stands alone. Class targets must agree, numbers by their value, and of findings those that are known. Ages become
    their mean. Other columns stay where all rows agree, else they become ``mixed``; ``sample_id`` becomes the value
    joined by, see :func:`units`. A sample whose cell in the column joined by is empty stays alone, under its own id.

    Args:
        table: of samples, checked.
        rule: how, and by which column.
        faults: where disagreeing targets and a missing column are told.
        exclusive: as :attr:`scantune.tasks.base.TaskSettings.exclusive`.
    """
    if rule.by not in table and rule.by != "subject_id":
        table.require((rule.by,), faults)
        return table
    by = table.subject_id if rule.by == "subject_id" else units(table.text(rule.by).tolist(), table.subject_id.tolist())
    alone = np.array([rule.by != "subject_id" and text.casefold() in EMPTY for text in by], bool)
    by = np.where(alone, table.sample_id, by)
    keys = np.array([f"{s}\0{'' if a else 'of'}\0{b}" for s, a, b in zip(table.split, alone, by)], dtype=object)
    _, first, codes = np.unique(keys.astype(str), return_index=True, return_inverse=True)
    members = [np.flatnonzero(codes == g) for g in range(len(first))]
    joined: dict[str, np.ndarray] = {}
    for column in table.columns:
        if column.startswith("p/"):
            continue
        kind, slash, of = column.partition("/")
        if kind in ("prediction", "prediction_sd", "distance") or (
            kind == "target" and f"prediction{slash}{of}" in table
        ):
            joined[column] = _numbers(table, column, members, rule.name, known=kind == "target")
        elif kind == "target":
            joined[column] = _agreed(table, column, members, rule.by, faults, empty=exclusive)
        elif kind not in ("lower", "upper", "set"):
            mean_age = _mean_age(table.text(column), members) if is_age(column) else None
            joined[column] = _same(table.text(column), members) if mean_age is None else mean_age
    joined |= _probabilities(table, members, rule.name, exclusive)
    joined["sample_id"] = by[first]
    joined["subject_id"] = _same(table.subject_id, members)
    joined["split"] = table.split[first]
    return PredictionTable(joined, table.name)


def units(names: Sequence[str], subjects: Sequence[str]) -> np.ndarray:
    """What samples are joined by, text [N]: the names, with the subject before those that several subjects have.

    Numbers of studies that begin anew for each subject are not one study.
    """
    of = Counter(name for name, _ in set(zip(names, subjects)) if name.casefold() not in EMPTY)
    return np.array([f"{who} {name}" if of[name] > 1 else name for name, who in zip(names, subjects)], dtype=object)


def _numbers(table: PredictionTable, column: str, members: list[np.ndarray], rule: str, known: bool) -> np.ndarray:
    """Joined by the rule, where that is votes for classes by the mean; ``known``: of the finite ones, NaN where there
    are none."""
    values, rule = table.numbers(column, Faults()), "mean" if rule == "vote" else rule
    parts = [values[m][np.isfinite(values[m])] if known else values[m] for m in members]
    return np.array([_RULES[rule](part) if len(part) else np.nan for part in parts])


def _agreed(
    table: PredictionTable, column: str, members: list[np.ndarray], by: str, faults: Faults, empty: bool
) -> np.ndarray:
    """The target of each group; ``empty``: an empty cell says something (a zone that cannot be graded), else that
    nothing is known."""
    texts = table.text(column)
    labels = np.array([label(text) for text in texts], dtype=object)
    telling = [m if empty or not any(labels[m]) else m[labels[m] != ""] for m in members]
    odd = [m for m in telling if len(set(labels[m].tolist())) > 1]
    faults.rows(
        [int(m[0]) for m in odd],
        f"column {column}: samples of one {by} have different targets and cannot be aggregated",
        [sorted(set(texts[m].tolist())) for m in odd],
    )
    return texts[[m[0] for m in telling]]


def _same(texts: np.ndarray, members: list[np.ndarray]) -> np.ndarray:
    common = np.empty(len(members), dtype=object)
    common[:] = [texts[m[0]] if len(set(texts[m].tolist())) == 1 else "mixed" for m in members]
    return common


def _mean_age(texts: np.ndarray, members: list[np.ndarray]) -> np.ndarray | None:
    """Mean age in years of each group, of the ages that are known; None where no row has one."""
    ages = np.array([years(text) for text in texts])
    if not np.isfinite(ages).any():
        return None
    means = np.empty(len(members), dtype=object)
    for place, rows in enumerate(members):
        known = ages[rows][np.isfinite(ages[rows])]
        means[place] = f"{known.mean():.4g}" if len(known) else ""
    return means


def _probabilities(
    table: PredictionTable, members: list[np.ndarray], rule: str, exclusive: bool
) -> dict[str, np.ndarray]:
    """Joined by target: ``p/<class>`` are one target's, ``p/<zone>/<class>`` one zone's; else each is alone."""
    named = [column for column in table.columns if column.startswith("p/")]
    groups = list(grouped(table.columns, "p/").values()) if exclusive else [[column] for column in named]
    out: dict[str, np.ndarray] = {}
    for columns in groups:
        p = np.stack([table.numbers(c, Faults()) for c in columns], axis=1)
        p = np.concatenate([p, 1 - p], axis=1) if len(columns) == 1 else p
        if exclusive or rule == "vote":
            joined = np.stack([_shares(p[m], rule) for m in members])
        else:
            joined = np.stack([_RULES[rule](p[m]) for m in members])
        out |= {c: joined[:, i] for i, c in enumerate(columns)}
    return out


def _shares(p: np.ndarray, rule: str) -> np.ndarray:
    """Probabilities [n, K] joined to [K], which sum to one."""
    joined = _RULES[rule](p)
    joined = p.mean(0) if not joined.any() else joined
    return joined / joined.sum()
