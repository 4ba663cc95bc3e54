"""Settings of the survival task: the time until an event, or until follow-up ended without one."""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from scantune.tasks.base import Direction, TaskSettings
from scantune.tasks.joining import AggregateField
from scantune.tasks.suggestion import FEW, LabelTable, Suggestion

if TYPE_CHECKING:
    import numpy as np

#: Metrics of an epoch, and which way each is better.
EPOCH_METRICS: dict[str, Direction] = {"concordance_harrell": "max"}

#: What columns of follow-up, and of events, are called; and a year in each unit.
_TIME = re.compile(
    r"surviv|follow[ _.-]?up|time[ _.-]?to|^(time|duration|tte)$|"
    r"(^|[ _.-])(os|pfs|dfs|rfs|efs|days|months|years)([ _.-]|$)",
    re.I,
)
_AGE = re.compile(r"(^|[ _.-])(age|alter)([ _.-]|$)", re.I)
_EVENT = re.compile(r"event|dead|death|deceased|died|relapse|recurrence|progression|censor|status|vital", re.I)
_EVENT_ITSELF = re.compile(
    r"event|dead|death|deceased|died|relapse|recurrence|progression|censor|vital|(^|_)(os|pfs|dfs|rfs|efs)_", re.I
)
_HABIT = re.compile(
    r"(smok|tobacco|alcohol|marital|employ|insurance|menopaus|receptor|mutation|performance|nutrition)\w*[ _.-]?status|"
    r"vital[ _.-]?(capacity|signs)",
    re.I,
)  # of the patient, and no event
_HAPPENED = re.compile(r"^(1[: ]|1$|1\.0$|(1:)?(deceased|dead|died|death|event|recurred|progressed|yes|true)\b)", re.I)
_NOT_YET = re.compile(r"^(0[: ]|0$|0\.0$|(0:)?(living|alive|censored|no|false|disease ?free|event[ -]?free)\b)", re.I)
_UNITS = {"days": 365, "months": 12, "years": 1}

#: The loss whose outputs are hazards of intervals of time.
HAZARDS = "discrete_hazard"


def _codes(column: str, texts: set[str]) -> dict[str, int]:
    """Text to 1 for the event and 0 for none until then; empty where the texts are not of that kind."""
    codes = {t: 1 if _HAPPENED.match(t) else 0 if _NOT_YET.match(t) else None for t in sorted(texts)}
    if set(codes.values()) != {0, 1}:
        return {}
    reversed_ = "censor" in column.lower() and texts <= {"0", "1", "0.0", "1.0"}
    return {text: int(code != reversed_) for text, code in codes.items() if code is not None}


HEADLINE = ("concordance_harrell", "concordance_uno", "mean_auroc", "integrated_brier")
"""Metrics of the subgroups, the baselines and the summary."""


class Survival(TaskSettings):
    """Time from the image to an event; a subject without one is censored when follow-up ends."""

    default_loss: ClassVar[str] = "cox"
    loss_targets: ClassVar[tuple[str, ...]] = ("times",)
    calibrations: ClassVar[tuple[str, ...]] = ("temperature",)
    conformal: ClassVar[bool] = False
    empty_probabilities: ClassVar[bool] = True  # of a horizon beyond the follow-up
    one_target: ClassVar[bool] = False
    exclusive: ClassVar[bool] = False

    name: Literal["survival"] = "survival"

    time: str = "time"
    """Target with the time from the image to the event or to the end of follow-up, in ``unit``; 0 or more."""

    event: str = "event"
    """Target that says what ended that time: 1 the event, 0 the end of follow-up (censored)."""

    unit: str = "years"
    """Unit of ``time``, ``horizons`` and ``cuts``, for figures and reports."""

    horizons: tuple[float, ...] = Field((1.0, 2.0, 3.0, 4.0, 5.0), min_length=1)
    """Times at which the probability of the event is predicted, and discrimination and calibration are measured."""

    cuts: tuple[float, ...] | None = None
    """Upper ends of the intervals of time of the loss ``discrete_hazard``, ascending, the last at or beyond the last
    horizon. None: twelve equal ones up to the last horizon."""

    risk_groups: int = Field(3, ge=2, le=5)
    """Groups of rising predicted risk with as many validation samples each, for Kaplan–Meier curves."""

    aggregate: AggregateField | None = None
    """How several samples of a study or subject join, ``mean``, ``median`` or ``max``. None: they do not."""

    @field_validator("horizons", "cuts")
    @classmethod
    def _ascending(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and (not value or value[0] <= 0 or any(a >= b for a, b in itertools.pairwise(value))):
            raise ValueError(f"{list(value)}: times must be above 0 and ascend, such as [1, 3, 5]")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Survival:
        if self.time == self.event:
            raise ValueError(f"time and event are both the target {self.time!r}; each needs a column of its own")
        if self.cuts is not None and self.cuts[-1] < self.horizons[-1]:
            raise ValueError(f"cuts end at {self.cuts[-1]:g}, before the last horizon {self.horizons[-1]:g}")
        if self.aggregate is not None and self.aggregate.name == "vote":
            raise ValueError("aggregate: vote counts classes; survival joins by mean, median or max")
        return self

    @classmethod
    def suggest(cls, table: LabelTable) -> Suggestion | None:
        """For a column of times of follow-up beside one that says whether the event happened, by their names."""
        times = [c for c in table.cells if _TIME.search(c) and not _AGE.search(c)]
        times = [c for c in times if len(table.numbers(c)) > FEW and table.numbers(c)[0] >= 0]
        named = [c for c in table.cells if _EVENT.search(c) and not _HABIT.search(c) and c not in times]
        coded = {c: _codes(c, table.values(c)) for c in named}
        events = sorted((c for c, codes in coded.items() if codes), key=lambda c: not _EVENT_ITSELF.search(c))
        if not times or not events or (table.named and table.target not in (times[0], events[0])):
            return None
        recode = {text: code for text, code in coded[events[0]].items() if text != str(code)}
        unit = next((name for name in _UNITS if name in times[0].lower()), None)
        middle = statistics.median(table.numbers(times[0]))
        unit = unit or ("days" if middle > 200 else "months" if middle > 10 else "years")
        task = {"name": "survival", "unit": unit, "horizons": [_UNITS[unit] * years for years in (1, 2, 3)]}
        dataset = {"targets": {"time": times[0], "event": events[0]}}
        return Suggestion(dataset | ({"recode": {events[0]: recode}} if recode else {}), task, "event", strength=3)

    @classmethod
    def from_columns(cls, columns: Sequence[str]) -> dict[str, Any]:
        """The horizons are those of the columns ``p/<horizon>/event``; no column says in which unit."""
        matches = [re.fullmatch(r"p/(\d+(?:\.\d+)?)/event", column) for column in columns]
        horizons = sorted(float(match[1]) for match in matches if match)
        return {"unit": "units of time"} | ({"horizons": tuple(horizons)} if horizons else {})

    def intervals(self) -> tuple[float, ...]:
        """``cuts``, or their default."""
        return self.cuts or tuple(self.horizons[-1] * k / 12 for k in range(1, 13))

    def target_names(self) -> tuple[str, ...]:
        """The targets of the data set that it needs."""
        return (self.time, self.event)

    def target_rules(self) -> dict[str, dict[str, object]]:
        """What may stand in the targets: a time of 0 or more; 0 or 1."""
        return {self.time: {"number": True, "min": 0}, self.event: {"values": [0, 1]}}

    def headline_metrics(self) -> tuple[str, ...]:
        """Those of the risk and of all horizons together."""
        return HEADLINE

    def epoch_metrics(self) -> dict[str, Direction]:
        """Metrics of an epoch, and which way each is better."""
        return dict(EPOCH_METRICS)

    def output_form(self, loss: str) -> str:
        """A hazard per interval, or one log risk."""
        return "hazards" if loss == HAZARDS else "risk"

    def loss_options(self, loss: str) -> dict[str, Any]:
        """The ends of the intervals, of the loss that has them."""
        return {"cuts": self.intervals()} if loss == HAZARDS else {}

    def idle(self, loss: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """The intervals of time, where the loss has none."""
        if self.cuts is not None and loss["name"] != HAZARDS:
            yield "cuts", f"they are of the loss {HAZARDS}, not of {loss['name']}; remove it, or set train.loss"

    def nothing_to_learn(self, encoded: np.ndarray) -> str:
        """Where no training sample has the event: the partial likelihood of Cox is then 1, whatever is predicted."""
        return "" if encoded[:, -1].any() else f"no training sample has the event ({self.event!r} is 0 in all)"

    def starts_from_targets(self, loss: str) -> bool:
        """The hazards of everyone, where the outputs are hazards."""
        return loss == HAZARDS

    def fits(self, loss: str, calibration: str) -> bool:
        """The baseline hazard of a log risk, whatever the calibration; nothing for hazards."""
        return loss != HAZARDS

    @property
    def columns(self) -> tuple[str, str]:
        """Columns of ``predictions.csv`` with time and event."""
        return f"target/{self.time}", f"target/{self.event}"

    def probability_columns(self) -> list[str]:
        """Columns of ``predictions.csv`` with the probability of the event by each horizon."""
        return [f"p/{horizon:g}/event" for horizon in self.horizons]


#: The name under which the settings are collected.
Settings = Survival
