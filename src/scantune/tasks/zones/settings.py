"""Settings of the zones task: an ordinal grade for each of several zones of one image."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from scantune.tasks import laterality
from scantune.tasks.base import TaskSettings
from scantune.tasks.directions import Direction
from scantune.tasks.joining import AggregateField
from scantune.tasks.suggestion import LabelTable, Suggestion

#: The class beside the grades. In tables it may be written so, as the number after the last grade, or left empty.
UNGRADABLE = "ungradable"

CONGESTION_ZONES = ("right_sup", "left_sup", "right_mid", "left_mid", "right_inf", "left_inf")

EPOCH_METRICS: dict[str, Direction] = {"kappa_quadratic": "max", "accuracy": "max", "mean_score_mae": "min"}
"""Metrics of an epoch, and which way each is better."""


HEADLINE = (
    *("kappa_quadratic", "kappa_linear", "f1_macro", "f1_weighted", "coverage"),
    *("mean_score_mae", "mean_score_spearman_rho"),
)
"""Metrics of the subgroups, the baselines and the summary."""


class Zones(TaskSettings):
    """A grade 0 to ``grades`` − 1 in each zone, or ungradable. Mean score over the gradable zones."""

    default_loss: ClassVar[str] = "weighted_cross_entropy"
    loss_targets: ClassVar[tuple[str, ...]] = ("classes",)
    one_target: ClassVar[bool] = False
    called: ClassVar[bool] = True
    takes_empty_targets: ClassVar[bool] = True  # an empty cell is an ungradable zone

    name: Literal["zones"] = "zones"

    zones: tuple[str, ...] = Field(CONGESTION_ZONES, min_length=1)
    """The zones, in the order of the network's outputs; also the names of the data set's ``targets``."""

    grades: int = Field(4, ge=2)
    """Number of grades: 0, 1, … ``grades`` − 1. An empty cell, or the number ``grades`` itself, is ungradable."""

    unknown_weight: float = Field(0.3, gt=0, le=1)
    """Weight of the class ungradable in the loss."""

    cut_offs: tuple[float, ...] = (1.3, 2.2)
    """The mean score falls in a class by these: up to the first, up to the second, above (acute heart failure: low,
    intermediate, high)."""

    sides: dict[str, str] | None = None
    """Which zone of the right side is which of the left (``right_sup: left_sup``): they swap when an image is mirrored.
    None: the names that differ in the word right or left alone."""

    aggregate: AggregateField | None = None
    """How several samples of a study or subject join, ``mean``, ``median``, ``max`` or ``vote``. None: they do not."""

    @field_validator("cut_offs")
    @classmethod
    def _ascending(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not value or any(a >= b for a, b in itertools.pairwise(value)):
            raise ValueError(f"cut_offs {list(value)}: at least one, ascending, such as [1.3, 2.2]")
        return value

    @model_validator(mode="after")
    def _known_zones(self) -> Zones:
        if len(set(self.zones)) != len(self.zones):
            raise ValueError(f"zones {list(self.zones)}: a name occurs twice")
        for right, left in (self.sides or {}).items():
            for zone in (right, left):
                if zone not in self.zones:
                    raise ValueError(f"sides: {zone!r} is not one of the zones {list(self.zones)}")
        return self

    @classmethod
    def suggest(cls, table: LabelTable) -> Suggestion | None:
        """For the columns of the six zones of congestion."""
        if table.named or not set(CONGESTION_ZONES) <= set(table.cells):
            return None
        return Suggestion({"targets": list(CONGESTION_ZONES)}, {"name": "zones"}, strength=3)

    @classmethod
    def from_columns(cls, columns: Sequence[str]) -> dict[str, Any]:
        """The zones are those of the columns ``target/<zone>``; the grades those of ``p/<zone>/<grade>``.

        Five grades 0 … 4 without a class ungradable are left to the default: 4 is then ungradable.
        """
        settings: dict[str, Any] = {}
        zones = tuple(c.removeprefix("target/") for c in columns if c.startswith("target/"))
        if zones and set(zones) != set(CONGESTION_ZONES):
            settings["zones"] = zones
        parts = [c.split("/") for c in columns if c.startswith(("p/", "logit/"))]
        numbers = {int(p[2]) for p in parts if len(p) == 3 and p[2].isdecimal()}
        ungradable = any(p[-1] == UNGRADABLE for p in parts)
        size = max(numbers, default=0) + 1
        if len(numbers) > 1 and (ungradable or size != cls.model_fields["grades"].default + 1):
            settings["grades"] = size
        return settings

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of the network's outputs: the grades, then ungradable."""
        return (*(str(g) for g in range(self.grades)), UNGRADABLE)

    @property
    def call_classes(self) -> Mapping[str, str]:
        """The classes by name, ungradable also by its number."""
        return {name: name for name in self.classes} | {str(self.grades): UNGRADABLE}

    def headline_metrics(self) -> tuple[str, ...]:
        """Those of the zones together and of the mean score."""
        return HEADLINE

    def epoch_metrics(self) -> dict[str, Direction]:
        """Metrics of an epoch, and which way each is better."""
        return dict(EPOCH_METRICS)

    def target_names(self) -> tuple[str, ...]:
        """The targets of the data set that it needs."""
        return self.zones

    def target_columns(self, targets: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
        """Zones keep their names, a single one too."""
        return {f"target/{zone}": cells for zone, cells in targets.items()}

    def target_rules(self) -> dict[str, dict[str, object]]:
        """What may stand in the targets: a grade, or what says ungradable. An empty cell does too."""
        return {zone: {"values": [*range(self.grades + 1), UNGRADABLE]} for zone in self.zones}

    def loss_options(self, loss: str) -> dict[str, Any]:
        """The weight of the class ungradable."""
        if loss != "weighted_cross_entropy":
            return {}
        return {"class_weights": [1.0] * self.grades + [self.unknown_weight]}

    def idle(self, loss: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """The weight of the class ungradable, where the loss has no weights or other ones."""
        own = self.loss_options("weighted_cross_entropy")["class_weights"]
        part = loss.get("parts", {}).get("weighted_cross_entropy") if loss["name"] == "combined" else loss
        has = isinstance(part, Mapping) and part.get("class_weights") == own
        if self.differs("unknown_weight") and not has:
            weights = " with class_weights" if "class_weights" in loss else ""
            yield (
                "unknown_weight",
                f"it is of the loss weighted_cross_entropy without class_weights, not of {loss['name']}{weights}; "
                "remove it, or state it there: train.loss: {name: weighted_cross_entropy, class_weights: …, "
                f"unknown_weight: {self.unknown_weight:g}}}",
            )

    def pairs(self) -> dict[str, str]:
        """Zone of the right to its zone of the left, as stated or by name."""
        return laterality.pairs(self.zones, self.sides)

    def mirrored(self) -> tuple[int, ...]:
        """For each zone the index of the zone whose place it takes when the image is mirrored left-right."""
        return laterality.mirrored(self.zones, self.sides)

    @property
    def sided(self) -> bool:
        """Left and right are different answers."""
        return self.mirrored() != tuple(range(len(self.zones)))


#: The name under which the settings are collected.
Settings = Zones
