"""Settings of the classification task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from scantune.class_names import label, value
from scantune.records import ScantuneError
from scantune.tasks.base import TaskSettings
from scantune.tasks.directions import Direction
from scantune.tasks.joining import AggregateField
from scantune.tasks.labels import distinct, name_faults
from scantune.tasks.suggestion import LabelTable, Suggestion, one_target

EPOCH_METRICS: dict[str, Direction] = {
    "auroc": "max",
    "accuracy": "max",
    "balanced_accuracy": "max",
    "f1_macro": "max",
}
"""Metrics of an epoch, and which way each is better."""


BINARY_LOSSES = frozenset({"bce", "focal_bce"})
"""Losses of networks with one logit for two classes."""


def headline_by(two: bool) -> tuple[str, ...]:
    """Metrics of the subgroups, the baselines and the summary, of two classes or of more."""
    f1 = ("f1", "recall", "specificity") if two else ("f1_macro",)
    return ("auroc", "auprc", "accuracy", "balanced_accuracy", *f1, "brier", "ece")


class Classification(TaskSettings):
    """One of two or more classes a sample."""

    default_loss: ClassVar[str] = "cross_entropy"
    loss_targets: ClassVar[tuple[str, ...]] = ("classes", "binary")
    called: ClassVar[bool] = True

    name: Literal["classification"] = "classification"

    target: str = "target"
    """Name of the target among the data set's ``targets``."""

    classes: tuple[str, ...] | None = Field(None, min_length=2)
    """The classes by name, in the order of the network's outputs. None: those found in the data, sorted."""

    positive: str | None = None
    """The class that counts as positive where there are two: ``precision``, ``recall``, ``f1``, ``brier`` and the
    calibration are of it. None: the last class."""

    sensitivities: tuple[float, ...] = (0.9, 0.95)
    """Operating points: the threshold that reaches this sensitivity on validation. Two classes only."""

    specificities: tuple[float, ...] = (0.9, 0.95)
    """Operating points: the threshold that reaches this specificity on validation. Two classes only."""

    prevalences: tuple[float, ...] = ()
    """Shares of the positive class, such as ``[0.01, 0.1]``, at which predictive values and net benefit are computed
    too, by weighting the classes. Of more than two classes, of each against the rest."""

    ordinal: bool = False
    """The classes are grades in ascending order: weighted kappas are given too. Grades that are words need
    ``classes``, which states their order."""

    aggregate: AggregateField | None = None
    """How several samples of a study or subject join, ``mean``, ``median``, ``max`` or ``vote``. None: they do not."""

    @field_validator("classes", "positive", mode="before")
    @classmethod
    def _as_text(cls, names: object) -> object:
        # YAML reads 0 and 1 as numbers; a class is a name.
        if isinstance(names, (list, tuple)):
            return tuple(_text(name) for name in names)
        return _text(names)

    @model_validator(mode="after")
    def _consistent(self) -> Classification:
        if self.classes is not None:
            if len(set(self.classes)) != len(self.classes):
                raise ValueError(f"classes {list(self.classes)}: a name occurs twice")
            if faults := name_faults(self.classes):
                raise ValueError(f"classes {list(self.classes)}: {'; '.join(faults)}")
            if self.positive is not None and label(self.positive) not in map(label, self.classes):
                raise ValueError(f"positive {self.positive!r} is not one of the classes {list(self.classes)}")
        for name, values in (
            ("sensitivities", self.sensitivities),
            ("specificities", self.specificities),
            ("prevalences", self.prevalences),
        ):
            if any(not 0 < v < 1 for v in values):
                raise ValueError(f"{name} {list(values)}: each must lie between 0 and 1")
        return self

    @property
    def call_classes(self) -> Mapping[str, str]:
        """The classes, where they are stated."""
        return {label(name): label(name) for name in self.classes or ()}

    def order_fault(self, classes: Sequence[str]) -> str | None:
        """What is wrong with grades whose order nobody states: words, which the alphabet would rank."""
        words = self.unordered(classes)
        if not self.ordinal or not words:
            return None
        return (
            f"ordinal: {', '.join(words)} have no order of their own; name all classes in ascending order by 'classes'"
        )

    def headline_metrics(self) -> tuple[str, ...]:
        """Those of two classes, of more, or of both where the data settle the classes."""
        if self.classes is None:
            return tuple(dict.fromkeys((*headline_by(two=True), *headline_by(two=False))))
        return headline_by(two=len(self.classes) == 2)

    def epoch_metrics(self) -> dict[str, Direction]:
        """Metrics of an epoch, and which way each is better."""
        return dict(EPOCH_METRICS)

    def ranks(self, classes: Sequence[str] | None = None) -> bool:
        """Two classes, or grades in their order."""
        known = self.classes or classes
        return self.ordinal or known is None or len(known) == 2

    def unordered(self, classes: Sequence[str] | None = None) -> list[str]:
        """Those of the data that are words, where the block does not name the classes in their order."""
        return [name for name in classes or () if isinstance(value(name), str)] if self.classes is None else []

    def output_form(self, loss: str) -> str:
        """One logit for two classes, or one for each class."""
        return "one logit" if loss in BINARY_LOSSES else "a logit for each class"

    def idle(self, loss: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """What is of two classes, where there are more."""
        if self.classes is None or len(self.classes) == 2:
            return
        for key in ("positive", "sensitivities", "specificities"):
            if self.differs(key):
                yield key, f"it is of two classes, and there are {len(self.classes)}; remove it"

    @classmethod
    def suggest(cls, table: LabelTable) -> Suggestion | None:
        """For a column of words, or of a few whole numbers."""
        if len(table.values(table.target)) < 2 or table.measured(table.target):
            return None
        return one_target("classification", table.target)

    def target_names(self) -> tuple[str, ...]:
        """The targets of the data set that it needs."""
        return (self.target,)

    def target_rules(self) -> dict[str, dict[str, object]]:
        """What may stand in the target: the classes, where they are named."""
        return {self.target: {"values": [value(name) for name in self.classes]}} if self.classes else {}

    def classes_in(self, targets: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
        """The classes as stated, else those in the data, numbers in their order and each once (``1``, ``1.0``).

        Raises:
            ScantuneError: fewer than two, ``positive`` is none of them, a name with a ``|``, or grades that are words,
                whose order is not known.
        """
        if self.classes is not None:
            return self.classes
        present = distinct({row[self.target] for row in targets if row.get(self.target, "") != ""})
        listed = ", ".join(present)
        if len(present) < 2:
            raise ScantuneError(f"target {self.target!r} has {len(present)} classes ({listed}); two are needed")
        if faults := name_faults(present):
            raise ScantuneError(f"target {self.target!r}: class {'; '.join(faults)}; rename it by 'recode'")
        if unordered := self.order_fault(present):
            raise ScantuneError(f"task.{unordered}")
        if self.positive is not None and label(self.positive) not in map(label, present):
            raise ScantuneError(f"task.positive: {self.positive!r} is not one of the classes in the data: {listed}")
        return tuple(present)


def _text(name: object) -> object:
    if isinstance(name, bool):
        raise ValueError(f"{name} is a boolean in YAML: write the class in quotes, as the table does ('{name}')")
    if not isinstance(name, (int, float)):
        return name
    return str(int(name)) if float(name).is_integer() else str(name)


#: The name under which the settings are collected.
Settings = Classification
