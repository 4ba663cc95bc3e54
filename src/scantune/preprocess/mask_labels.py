"""Check of mask labels against the tasks that learn from them, after all masks are read; reported by file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scantune.amounts import number_of
from scantune.mask_codes import PAINTED
from scantune.records import Record, ScantuneError

SHOWN = 20
_LOSSY = "lossy"
_IGNORED = "ignored"


class WrongLabels(ScantuneError):
    """Masks with labels that a task does not have."""


def column_text(facts: Mapping[str, Any]) -> str:
    """A mask's labels as in ``manifest.csv``: ``1=168 2=40``, pixels of the file's own grid; "" without one.

    ``255`` stands for masks of 0 and 255 alone, which are taken for 0 and 1; ``ignored=12`` for pixels that do not
    count; ``lossy`` for labels that compression may have changed.
    """
    words = [f"{label}={count}" for label, count in (facts.get("mask_labels") or {}).items()]
    words += [f"{_IGNORED}={facts['mask_ignored']}"] if facts.get("mask_ignored") else []
    return " ".join([*words, *([_LOSSY] if facts.get("mask_lossy") else [])])


def counts_of(text: str) -> dict[int, int]:
    """Label to its pixels, from :func:`column_text`."""
    pairs = (word.split("=") for word in text.split() if word != _LOSSY)
    return {int(label): int(count) for label, count in pairs if label != _IGNORED}


def described(text: str, classes: Sequence[str]) -> str:
    """:func:`column_text` with the names of classes: ``anterior 1837, posterior 1614 pixels``; "" without labels."""
    counts = counts_of(text)
    if list(counts) == [PAINTED]:
        counts = {1: counts[PAINTED]}
    named = [f"{classes[k] if k < len(classes) else f'label {k}'} {count}" for k, count in sorted(counts.items())]
    return f"{', '.join(named)} pixels" if named else ""


def label_fault(text: str, classes: int) -> str | None:
    """What is wrong with a mask's labels for a task, or None.

    Args:
        text: from :func:`column_text`.
        classes: of the task, background included: its labels are 0 … classes − 1.
    """
    words, counts = text.split(), counts_of(text)
    wrong = {label: count for label, count in counts.items() if label >= classes}
    if list(counts) == [PAINTED] and classes == 2 and _LOSSY not in words:
        return None
    if _LOSSY in words:
        return f"saved with lossy compression, which changes labels: {_listed(wrong or counts)}"
    return _listed(wrong) if wrong else None


def _listed(counts: Mapping[int, int], most: int = 6) -> str:
    """``label 2 (14 pixels), 255 (3)``; only the span where there are many."""
    if len(counts) > most:
        pixels = number_of(sum(counts.values()), "pixel")
        return f"{len(counts)} labels from {min(counts)} to {max(counts)} ({pixels})"
    parts = [f"{label} ({count})" for label, count in sorted(counts.items())]
    return f"label{'s' if len(parts) > 1 else ''} {', '.join(parts)} by pixels" if parts else ""


def wrong_labels(texts: Iterable[tuple[str, str]], tasks: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Sample id to what is wrong with its mask for the task with the fewest classes; empty where all fit.

    Args:
        texts: sample id and :func:`column_text`.
        tasks: experiment's key to the classes of its masks, the background first.
    """
    if not tasks:
        return {}
    classes = min(map(len, tasks.values()))
    label_faults = ((sample_id, label_fault(text, classes)) for sample_id, text in texts if text)
    return {sample_id: wrong for sample_id, wrong in label_faults if wrong}


def explained(wrong: Mapping[str, str], tasks: Mapping[str, Sequence[str]], total: int) -> str:
    """What the tasks expect and what would be right: the line above the list of samples. No path is in it."""
    key, classes = min(tasks.items(), key=lambda item: len(item[1]))
    named = ", ".join(f"{label} {name}" for label, name in enumerate(classes))
    remedies = [
        "name all classes in the task, or state by the input's mask_values what a value is: a label ({2: 1}), or "
        "pixels that do not count ({255: ignore})"
    ]
    if any("lossy" in text or "labels from" in text for text in wrong.values()):
        remedies.insert(0, "save masks as PNG, or set the input's mask_threshold (128 for black and white)")
    return (
        f"{len(wrong)} of {total} masks have labels that {key} does not have (its labels: {named}): "
        f"{'; or '.join(remedies)}"
    )


def refuse_wrong_labels(
    texts: Sequence[tuple[str, str]],
    tasks: Mapping[str, Sequence[str]],
    files: Mapping[str, Sequence[Path]] | None = None,
    rest: str = "",
) -> None:
    """Stop where masks do not fit the tasks.

    Args:
        texts: sample id and :func:`column_text` of every sample.
        tasks: experiment's key to the classes of its masks, the background first.
        files: sample id to its masks, for the local terminal.
        rest: where all of them stand.

    Raises:
        WrongLabels: with the samples, their files and the labels.
    """
    wrong = wrong_labels(texts, tasks)
    if not wrong:
        return
    lines = [f"  {named(sample_id, files or {})}: {what}" for sample_id, what in list(wrong.items())[:SHOWN]]
    if len(wrong) > SHOWN:
        lines.append(f"  … and {len(wrong) - SHOWN} more{rest and f'; all: {rest}'}")
    total = sum(bool(text) for _, text in texts)
    raise WrongLabels("\n".join([explained(wrong, tasks, total), *lines]))


def named(sample_id: str, files: Mapping[str, Sequence[Path]]) -> str:
    """A sample with the paths of its masks or images, for the terminal."""
    paths = ", ".join(str(path) for path in files.get(sample_id, ()))
    return f"{paths} ({sample_id})" if paths else sample_id


def masks_of(records: Iterable[Record]) -> dict[str, tuple[Path, ...]]:
    """Sample id to its masks."""
    return {record.sample_id: record.masks for record in records}
