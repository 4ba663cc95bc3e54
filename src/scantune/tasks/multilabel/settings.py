"""Settings of the task of several findings an image."""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from scantune.records import ScantuneError
from scantune.tasks import laterality
from scantune.tasks.base import TaskSettings
from scantune.tasks.directions import Direction
from scantune.tasks.joining import AggregateField
from scantune.tasks.suggestion import NONE, LabelTable, Suggestion, one_target

if TYPE_CHECKING:
    import numpy as np

EPOCH_METRICS: dict[str, Direction] = {"auroc": "max", "auprc": "max"}
"""Metrics of an epoch, and which way each is better."""

HEADLINE = ("auroc", "auprc", "f1_macro", "exact_match", "hamming_loss", "brier")
"""Metrics of the subgroups, the baselines and the summary."""

LISTED = "findings"
"""The target whose cells list the findings, where the block names neither it nor the findings."""

_FEWEST = (6, 20)  # samples of a finding, and without it, for it to be proposed: of few samples, of 200 and more

State = Literal["unknown", "present", "absent"]
_VALUES: Mapping[State, float] = {"unknown": math.nan, "present": 1.0, "absent": 0.0}


def _fewest(samples: int) -> int:
    return min(_FEWEST[1], max(_FEWEST[0], samples // 10))


def _name_fault(findings: Sequence[str]) -> str | None:
    wrong = next((name for name in findings if _plain(name) != name), None)
    return wrong and (
        f"finding {wrong!r}: a name has no / and no |, which separate names in predictions.csv; name it "
        f"{_plain(wrong)!r} (by 'targets: {{{_plain(wrong)}: {wrong}}}' of a column; cells that list it are read so)"
    )


def _plain(name: str) -> str:
    """The name of a finding without what separates names: ``Nodule-Mass`` for ``Nodule/Mass``."""
    return re.sub(r"\s*[/|]\s*", "-", name)


def _of_columns(table: LabelTable) -> Suggestion | None:
    """The findings that enough samples have and have not; without the column for none of them."""
    chosen = []
    for column in table.findings:
        numbers = [float(cell) for cell in table.cells[column] if cell]
        enough = min(numbers.count(1.0), len(numbers) - numbers.count(1.0)) >= _fewest(len(table.cells[column]))
        if enough and not NONE.match(column):
            chosen.append(column)
    if not chosen:
        return None
    names = [_plain(column) for column in chosen]
    targets = chosen if names == chosen else dict(zip(names, chosen, strict=True))
    return Suggestion({"targets": targets}, {"name": "multilabel", "findings": names}, strength=2)


class Multilabel(TaskSettings):
    """Several findings an image, each present, absent or unknown; what is unknown is neither learned from nor counted.

    A finding has a target of its own with the values 1, 0, −1 (uncertain) and empty, as CheXpert has them; or one
    target lists a sample's findings, as ``Finding Labels`` of ChestX-ray14 does (``Effusion|Mass``).
    """

    default_loss: ClassVar[str] = "masked_bce"
    loss_targets: ClassVar[tuple[str, ...]] = ("findings",)
    conformal: ClassVar[bool] = False
    one_target: ClassVar[bool] = False
    exclusive: ClassVar[bool] = False
    called: ClassVar[bool] = True
    takes_empty_targets: ClassVar[bool] = True  # by ``blank``

    name: Literal["multilabel"] = "multilabel"

    findings: tuple[str, ...] | None = Field(None, min_length=1)
    """The findings, in the order of the network's outputs; without ``target`` also the names of the data set's
    ``targets``. None: those that the cells of ``target`` list, in the alphabet's order, ``A/B`` as ``A-B``."""

    target: str | None = None
    """The target whose cells list the findings of a sample. None: each finding has a target of its own; where
    ``findings`` are not named either, the target ``findings``."""

    separator: str = Field("|", min_length=1)
    """Between the findings in a cell of ``target``."""

    ignored: tuple[str, ...] = ("No Finding",)
    """Words in the cells of ``target`` that are no finding of this task. Any other unknown word is an error."""

    uncertain: State = "unknown"
    """What −1 says of a finding: ``unknown``, ``present`` or ``absent``."""

    blank: State = "unknown"
    """What an empty cell says of a finding, or of all findings where it is the cell of ``target``."""

    threshold: Literal["f1", "youden", "half"] = "f1"
    """From which probability a finding is called present, chosen for each on validation: ``f1``, the highest F1;
    ``youden``, the highest sensitivity + specificity, which calls rare findings often; or ``half``, 0.5. Where
    validation has a finding in all samples or in none it is 0.5. Those of baselines are chosen so on the rows that they
    are fitted on."""

    prevalences: tuple[float, ...] = ()
    """Shares of a finding, such as ``[0.01, 0.1]``, at which predictive values and net benefit of each finding are
    computed too, by weighting the samples with it and without."""

    sides: dict[str, str] | None = None
    """Which finding of the right side is which of the left: they swap when an image is mirrored. None: the names
    that differ in the word right or left alone."""

    aggregate: AggregateField | None = None
    """How several samples of a study or subject join, ``mean``, ``median``, ``max`` or ``vote``. None: they do not."""

    @classmethod
    def suggest(cls, table: LabelTable) -> Suggestion | None:
        """For a column whose cells list words by a bar or a semicolon, or a column for each finding; words and columns
        of few samples are ignored."""
        if table.findings:
            return _of_columns(table)
        cells = [cell for cell in table.cells.get(table.target, ()) if cell]
        separator = next((mark for mark in "|;" if sum(mark in cell for cell in cells) * 20 >= len(cells) > 0), "")
        if not separator:
            return None
        counts = Counter(word.strip() for cell in cells for word in set(cell.split(separator)))
        none = [word for word in counts if NONE.match(word)]
        rare = [w for w, n in counts.items() if min(n, len(cells) - n) < _fewest(len(cells)) and w not in none]
        if len(counts) - len(none) - len(rare) < 1:
            return None
        suggestion = one_target("multilabel", table.target)
        task = {**suggestion.task, **({"separator": separator} if separator != "|" else {})}
        return Suggestion(suggestion.dataset, {**task, "ignored": sorted({*none, *rare})}, strength=2)

    @classmethod
    def answer_cells(cls, cells: Mapping[str, Sequence[str]], block: Mapping[str, Any]) -> dict[str, list[str]]:
        """Each finding of a column that lists them, as 1 or 0; columns of single findings as they are."""
        if len(cells) > 1 or "findings" in block:
            return {name: list(texts) for name, texts in cells.items()}
        (texts,) = cells.values()
        lists = [set(text.split(str(block.get("separator", "|")))) for text in texts]
        findings = sorted(set().union(*lists) - set(block.get("ignored", ())))
        return {finding: [str(int(finding in present)) for present in lists] for finding in findings}

    @field_validator("findings", "ignored", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _consistent(self) -> Multilabel:
        names = self.findings or ()
        if len(set(names)) != len(names):
            raise ValueError(f"findings {list(names)}: a name occurs twice")
        if fault := _name_fault(names):
            raise ValueError(fault)
        for name in names:
            if name in self.ignored:
                raise ValueError(f"finding {name!r} is in task.ignored too")
        if any(not 0 < v < 1 for v in self.prevalences):
            raise ValueError(f"prevalences {list(self.prevalences)}: each must lie between 0 and 1")
        for pair in (self.sides or {}).items():
            for name in pair:
                if names and name not in names:
                    raise ValueError(f"sides: {name!r} is not one of the findings {list(names)}")
        return self

    @property
    def listed(self) -> str | None:
        """The target whose cells list the findings; None where each has its own."""
        return self.target or (None if self.findings else LISTED)

    def headline_metrics(self) -> tuple[str, ...]:
        """Those of the findings together."""
        return HEADLINE

    def epoch_metrics(self) -> dict[str, Direction]:
        """Metrics of an epoch, and which way each is better."""
        return dict(EPOCH_METRICS)

    def target_names(self) -> tuple[str, ...]:
        """The targets of the data set that it needs."""
        return (self.listed,) if self.listed else self.findings or ()

    def separators(self) -> dict[str, str]:
        """The target that lists findings, where there is one."""
        return {self.listed: self.separator} if self.listed else {}

    def target_rules(self) -> dict[str, dict[str, object]]:
        """What may stand in the target of a finding; cells that list findings are checked by :meth:`target_fault`."""
        return {} if self.listed else {name: {"values": [1, 0, -1]} for name in self.findings or ()}

    def target_fault(self, name: str, text: str) -> str | None:
        """The first word of a cell that is neither a finding nor to be ignored; none where findings are not named."""
        if self.listed is None or self.findings is None:
            return None
        unknown = [word for word in self.words(text) if word not in self.findings]
        if not unknown:
            return None
        near = difflib.get_close_matches(unknown[0], self.findings, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return f"{unknown[0]!r} is not one of the findings; {hint}add it to task.findings, or to task.ignored"

    def words(self, text: str) -> list[str]:
        """The findings that a cell lists, ``Nodule/Mass`` as ``Nodule-Mass``."""
        labels = (word.strip() for word in text.split(self.separator))
        names = [_plain(word) for word in labels if word and word not in self.ignored]
        return [name for name in names if name not in self.ignored]

    def classes_in(self, targets: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
        """The findings as stated, else those that the cells list.

        Raises:
            ScantuneError: the cells list none.
        """
        if self.findings is not None:
            return self.findings
        labels = {word for row in targets for word in self.words(row.get(self.listed or "", ""))}
        if not labels:
            raise ScantuneError(f"target {self.listed!r} lists no finding in any sample; name them by task.findings")
        return tuple(sorted(labels))

    def states(self, targets: Mapping[str, str], findings: Sequence[str]) -> list[float]:
        """Of each finding 1 where it is present, 0 where it is absent, NaN where that is not known.

        Args:
            targets: of one sample, as text.
            findings: in this order.

        Raises:
            ScantuneError: a cell that says none of these, with what would be right.
        """
        if self.listed is not None:
            text = targets[self.listed]
            if not text.strip():
                return [_VALUES[self.blank]] * len(findings)
            words = self.words(text)
            fault = self.model_copy(update={"findings": tuple(findings)}).target_fault(self.listed, text)
            if fault:
                raise ScantuneError(f"target {self.listed!r}: {fault}")
            return [float(name in words) for name in findings]
        return [self._state(name, targets[name]) for name in findings]

    def _state(self, name: str, text: str) -> float:
        plain = text.strip()
        known = {"": _VALUES[self.blank], "-1": _VALUES[self.uncertain], "1": 1.0, "0": 0.0}
        if plain.removesuffix(".0") not in known:
            raise ScantuneError(f"finding {name!r} is {text!r}; right would be 1, 0, -1 (uncertain) or empty")
        return known[plain.removesuffix(".0")]

    def target_columns(self, targets: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
        """``target/<finding>``: 1, 0, or empty where it is not known."""
        rows = [dict(zip(targets, cells)) for cells in zip(*targets.values())]
        names = self.classes_in(rows)
        if not set(self.target_names()) <= set(targets):
            return {}
        states = [self.states(row, names) for row in rows]
        return {f"target/{name}": [written(row[place]) for row in states] for place, name in enumerate(names)}

    def idle(self, loss: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """What is of cells that list findings, where each finding has a column; and the other way round."""
        if self.listed and self.uncertain != "unknown":
            yield "uncertain", f"cells of the target {self.listed!r} list findings, and none is −1; remove it"
        for key in ("separator", "ignored") if not self.listed else ():
            if self.differs(key):
                yield key, "it is of a target that lists findings, and each has its own; remove it, or set target"

    def starts_from_targets(self, loss: str) -> bool:
        """The log odds of each finding."""
        return True

    def fits(self, loss: str, calibration: str) -> bool:
        """Calibration, and the thresholds."""
        return calibration != "none" or self.threshold != "half"

    def nothing_to_learn(self, encoded: np.ndarray) -> str:
        """As of other tasks; −1 is a finding that is unknown."""
        known = encoded.astype(float)
        known[known < 0] = math.nan
        return super().nothing_to_learn(known)

    def mirrored(self, findings: Sequence[str]) -> tuple[int, ...]:
        """For each finding the index of the one whose place it takes when the image is mirrored left-right."""
        return laterality.mirrored(findings, self.sides)

    @property
    def sided(self) -> bool:
        """Left and right are different answers."""
        names = self.findings or ()
        return self.mirrored(names) != tuple(range(len(names)))


def written(state: float) -> str:
    """A finding's state as ``predictions.csv`` has it."""
    return "" if math.isnan(state) else str(int(state))


#: The name under which the settings are collected.
Settings = Multilabel
