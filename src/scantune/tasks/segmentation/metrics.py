"""Metrics of a segmentation: means over samples of what was measured on each, and agreement of volumes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from scantune.statistics.agreement import error_statistic
from scantune.statistics.correlation import constant
from scantune.statistics.estimate import undefined
from scantune.statistics.resampling import Statistic
from scantune.tasks.plan import MetricPlan, mean_statistic, renamed
from scantune.tasks.predictions import Faults, PredictionTable
from scantune.tasks.segmentation.settings import MEASURES, Segmentation

LESIONS = ("lesion_f1", "lesion_precision", "lesion_recall")
"""Columns where lesions are counted, also as ``<measure>/<class>``."""

LARGEST = "largest_component"
"""Name among what is fitted on validation: class to ``chosen``, ``dice_all`` and ``dice_largest``."""

PREPARED = ("dice_prepared",)
"""Columns beside them: measured on the grid that the network works on, not on that of the mask's file."""

ERRORS = ("hd95", "volume_mae", "volume_rmse")
"""Metrics that are better when lower."""

_VOLUME = {
    **{k: f"volume_{k}" for k in ("mae", "rmse", "pearson_r", "icc_2_1")},
    **{f"bland_altman_{k}": f"volume_bland_altman_{k}" for k in ("bias", "sd", "lower", "upper")},
}
_VOLUMES = re.compile(r"volume_target(/.+)?$", re.DOTALL)
_SHARES = ("dice", "iou", "precision", "recall", "nsd", "cldice", *LESIONS, *PREPARED)


@dataclass(frozen=True)
class Data:
    """What the metrics of a segmentation are computed from.

    Attributes:
        measures: measure (or ``<measure>/<class>``) to float64 [N]; NaN where a mask's emptiness leaves it undefined.
        volumes: target and prediction float64 [N] each, in the file's unit; None where the file has none.
        class_volumes: the same by class, where there are several.
        subjects: [N].
        settings: of the task.
    """

    measures: dict[str, np.ndarray]
    volumes: tuple[np.ndarray, np.ndarray] | None
    subjects: np.ndarray
    settings: Segmentation
    class_volumes: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


def headline_names(data: Data) -> tuple[str, ...]:
    """Metrics of the subgroups, the baselines and the summary; the first is the primary one unless stated otherwise."""
    return tuple(m for m in MEASURES if m in data.measures)


def parse(table: PredictionTable, settings: Segmentation, faults: Faults) -> Data | None:
    """Reads the measures of each sample. Faults: no ``dice``, a share outside 0 … 1, a negative distance or volume."""
    if not table.require(("dice",), faults):
        return None
    measures: dict[str, np.ndarray] = {}
    for column in table.columns:
        measure = column.split("/")[0]
        if measure not in (*MEASURES, *LESIONS, *PREPARED):
            continue
        values = measures[column] = table.numbers(column, faults)
        with np.errstate(invalid="ignore"):
            bad = np.flatnonzero((values < 0) | ((values > 1 + 1e-9) if measure in _SHARES else False))
        right = "between 0 and 1" if measure in _SHARES else "0 or above"
        faults.rows(bad, f"column {column}: must be {right}", values[bad].tolist())
    ends = [column.removeprefix("volume_target") for column in table.columns if _VOLUMES.match(column)]
    volumes = {
        end.removeprefix("/"): (
            table.numbers(f"volume_target{end}", faults),
            table.numbers(f"volume_prediction{end}", faults),
        )
        for end in ends
        if f"volume_prediction{end}" in table
    }
    return Data(measures, volumes.pop("", None), table.subject_id, settings, volumes)


def plan(
    data: Data, rows: np.ndarray, *, headline: bool = False, paired: bool = False, confidence: float = 0.95
) -> MetricPlan:
    """The metrics of some rows; see :func:`scantune.tasks.regression.metrics.plan`.

    A sample whose measure is undefined (an empty cell: both masks empty) takes no part in that measure's mean: ``n``
    tells. An infinite distance (one mask empty) leaves the mean undefined.
    """
    reasons: dict[str, str] = {}
    together: dict[bytes, dict[str, np.ndarray]] = {}  # measures of the same samples are one statistic
    for name, column in data.measures.items():
        if headline and name not in MEASURES:
            continue
        values = column[rows]
        defined = ~np.isnan(values)
        reasons[name] = _reason(name, values)
        part = values[defined] if not np.isinf(values).any() else np.full(int(defined.sum()), np.nan)
        together.setdefault(defined.tobytes(), {})[name] = part
    kinds = {name: "unit" if name.split("/")[0] in _SHARES else "positive" for name in reasons}
    statistics: list[Statistic] = [
        mean_statistic(columns, rows[np.frombuffer(defined, bool)], {name: kinds[name] for name in columns})
        for defined, columns in together.items()
    ]
    of_mask = {} if data.volumes is None else {"": data.volumes}
    for name, pair in ({} if headline else of_mask | data.class_volumes).items():
        x, y = (v[rows] for v in pair)
        defined = np.isfinite(x) & np.isfinite(y)
        end = name and f"/{name}"
        if defined.any():
            names = {kind: f"{volume}{end}" for kind, volume in _VOLUME.items()}
            statistics.append(renamed(error_statistic(x[defined], y[defined], rows[defined], 1.0), names))
            if constant(x[defined]) or constant(y[defined]):
                reasons[f"volume_pearson_r{end}"] = "undefined: one of the volumes is constant"
    missing = [m for m in MEASURES if m not in data.measures]
    direct = {m: undefined(f"not measured: the file has no column {m}", len(rows)) for m in missing}
    return MetricPlan(statistics, reasons=reasons, direct={} if headline else direct)


def _reason(name: str, values: np.ndarray) -> str:
    infinite = int(np.isinf(values).sum())
    if infinite:
        return f"undefined: infinite in {infinite} of {len(values)} samples (one of the two masks is empty)"
    return f"undefined in all {len(values)} samples (both masks are empty, or {name} was not measured)"
