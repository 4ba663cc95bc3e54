"""A metric as it stands in ``metrics.json``: its value, its interval, how that was made, and why one is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Estimate:
    """A metric with its interval.

    Attributes:
        value: the estimate; None where undefined.
        lower: lower bound of the interval; None where there is none.
        upper: upper bound.
        method: how the interval was made; None without one.
        n: samples that the metric is computed from.
        n_subjects: subjects that these samples are of.
        reason: why the value, or else the interval, is missing; None where nothing is.
        more: further values that belong to this metric (``p_value``, ``ase``, ``gap`` …).
    """

    value: float | None
    lower: float | None = None
    upper: float | None = None
    method: str | None = None
    n: int = 0
    n_subjects: int = 0
    reason: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """JSON-serialisable, with null for what is missing and no NaN or infinity."""
        base: dict[str, Any] = {
            "value": number(self.value),
            "lower": number(self.lower),
            "upper": number(self.upper),
            "method": self.method,
            "n": int(self.n),
            "n_subjects": int(self.n_subjects),
            "reason": self.reason,
        }
        return base | {key: jsonable(value) for key, value in self.more.items()}

    def with_more(self, **more: Any) -> Estimate:
        """The same estimate with further values."""
        return replace(self, more={**self.more, **more})


def number(value: Any) -> float | None:
    """A finite Python float, else None."""
    if value is None:
        return None
    value = float(value)
    return value if math.isfinite(value) else None


def jsonable(value: Any) -> Any:
    """Numbers, arrays, figures, mappings and sequences as JSON takes them; what is not finite becomes null."""
    if isinstance(value, Estimate):
        return value.as_dict()
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if isinstance(value, (list, tuple)):
        return [jsonable(v) for v in value]
    if isinstance(value, float):
        return number(value)
    return value


def undefined(reason: str, n: int = 0, n_subjects: int = 0, **more: Any) -> Estimate:
    """A figure without a value, with the reason."""
    return Estimate(None, n=n, n_subjects=n_subjects, reason=reason, more=more)
