"""Metrics of findings: discrimination and calls of each, their macro means, exact match, Hamming loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scantune.statistics.calibration import ece_consistency, ece_statistic
from scantune.statistics.discrimination import DELONG, area_statistic, delong_interval, macro
from scantune.statistics.resampling import Interval, Statistic, Sums, Weighted
from scantune.statistics.sums import ratio
from scantune.statistics.trials import too_rare
from scantune.tasks.multilabel import calibration
from scantune.tasks.multilabel.settings import HEADLINE, Multilabel
from scantune.tasks.plan import MetricPlan, not_finite, only, renamed
from scantune.tasks.predictions import Faults, PredictionTable, check_range

ERRORS = ("hamming_loss", "brier", "ece")
"""Metrics that are better when lower."""

_STATES = {"": np.nan, "nan": np.nan, "0": 0.0, "1": 1.0}
_CELLS = ("tp", "fp", "fn", "tn")


@dataclass(frozen=True)
class Data:
    """What the metrics of findings are computed from.

    Attributes:
        target: float64 [N, F]: 1 present, 0 absent, NaN unknown.
        probabilities: float64 [N, F].
        called: bool [N, F], which findings are called present.
        thresholds: finding to the probability from which it is called so; where the table has a column ``set`` that
            is the model's word, and these are what validation would choose.
        findings: names of the F.
        subjects: [N].
        settings: of the task.
    """

    target: np.ndarray
    probabilities: np.ndarray
    called: np.ndarray
    thresholds: Mapping[str, float]
    findings: tuple[str, ...]
    subjects: np.ndarray
    settings: Multilabel

    def known(self, place: int, rows: np.ndarray) -> np.ndarray:
        """Those of some rows of which the state of a finding is known."""
        return rows[np.isfinite(self.target[rows, place])]

    def positive(self, place: int, rows: np.ndarray) -> np.ndarray:
        """Whether the finding is present in each of some rows, bool [n]."""
        return self.target[rows, place] == 1


def headline_names(data: Data) -> tuple[str, ...]:
    """Metrics of the subgroups, the baselines and the summary; the first is the primary one unless stated otherwise."""
    return HEADLINE


def parse(table: PredictionTable, settings: Multilabel, faults: Faults) -> Data | None:
    """Reads ``target/<finding>`` (1, 0, empty where unknown), ``p/<finding>`` and, where it is there, ``set``."""
    findings = settings.findings or tuple(c.removeprefix("p/") for c in table.columns if c.startswith("p/"))
    if not findings:
        faults.add("there are no columns p/<finding>, the probability of each finding")
        return None
    if not table.require([f"{kind}/{name}" for name in findings for kind in ("target", "p")], faults):
        return None
    target = np.stack([_states(table, name, faults) for name in findings], axis=1)
    p = np.stack([table.numbers(f"p/{name}", faults) for name in findings], axis=1)
    for place, name in enumerate(findings):
        check_range(p[:, place], f"p/{name}", faults)
    validation = table.split == "validation"
    usable = validation & np.isfinite(p).all(axis=1)
    limits = calibration.thresholds(p[usable], target[usable], findings, settings.threshold)
    called = calibration.called(np.nan_to_num(p), limits, findings)
    if "set" in table:
        called = _sets(table, findings, faults)
    return Data(target, p, called, limits, findings, table.subject_id, settings)


def _states(table: PredictionTable, name: str, faults: Faults) -> np.ndarray:
    texts = [text.strip().lower().removesuffix(".0") for text in table.text(f"target/{name}")]
    bad = [row for row, text in enumerate(texts) if text not in _STATES]
    faults.rows(bad, f"column target/{name}: not 1, 0, or empty where unknown", [texts[row] for row in bad])
    return np.array([_STATES.get(text, np.nan) for text in texts])


def _sets(table: PredictionTable, findings: Sequence[str], faults: Faults) -> np.ndarray:
    sets = [{name.strip() for name in text.split("|")} - {""} for text in table.text("set")]
    unknown = [row for row, names in enumerate(sets) if not names <= set(findings)]
    faults.rows(unknown, f"column set: not of the findings {', '.join(findings)}", [sorted(sets[r]) for r in unknown])
    return np.array([[name in names for name in findings] for names in sets], bool).reshape(-1, len(findings))


def plan(
    data: Data, rows: np.ndarray, *, headline: bool = False, paired: bool = False, confidence: float = 0.95
) -> MetricPlan:
    """The metrics of some rows; see :func:`scantune.tasks.regression.metrics.plan`.

    A macro mean of areas is over the findings that at least two subjects of these rows have and two have not; which
    ones are left out stands beside it as ``without``.
    """
    p = data.probabilities[rows]
    void = not_finite("probabilities", p)
    areas, analytic, without = _areas(data, rows, void, confidence)
    analytic |= _rare(data, rows)
    reasons = _reasons(data, rows)
    statistics: list[Statistic] = [_calls(data, rows), _brier(data, rows, void)]
    if areas:
        statistics.append(macro(areas, rows))
    else:
        statistics.append(_none(rows, ("auroc", "auprc")))
        why = "undefined: no finding is present in two subjects and absent in two"
        reasons |= {"auroc": why, "auprc": why}
    if headline:
        statistics = [only(s, headline_names(data)) for s in statistics]
    else:
        undefined = [f"{metric}/{name}" for metric in ("auroc", "auprc") for name in without]
        if void is None:
            statistics += [s for place in range(len(data.findings)) for s in _errors_of(data, place, rows)]
            undefined += [name for name in reasons if name.startswith("ece/")]
        statistics += [_none(rows, undefined)] if undefined else []
    more: dict[str, Mapping[str, Any]] = {name: {"without": without} for name in ("auroc", "auprc") if without}
    if not headline and void is None:
        more |= _consistency(data, rows, confidence)
    return MetricPlan(statistics, analytic=analytic, reasons=reasons, more=more, void=void)


def _areas(
    data: Data, rows: np.ndarray, void: str | None, confidence: float
) -> tuple[list[Weighted], dict[str, Interval], list[str]]:
    """AUROC and AUPRC of each finding with both states, DeLong's intervals, and the findings that lack one."""
    areas: list[Weighted] = []
    analytic: dict[str, Interval] = {}
    without: list[str] = []
    for place, name in enumerate(data.findings):
        known = data.known(place, rows)
        positive = data.positive(place, known)
        subjects = [len(np.unique(data.subjects[known[side]])) for side in (positive, ~positive)]
        if min(subjects) < 2:
            without.append(name)
            continue
        score = np.full(len(known), 0.5) if void else data.probabilities[known, place]
        areas.append(area_statistic(score, positive, known, f"/{name}"))
        if len(np.unique(data.subjects[known])) == len(known):
            bounds = delong_interval(score, positive, confidence)
            if bounds is not None:
                analytic[f"auroc/{name}"] = Interval(*bounds, DELONG)
    return areas, analytic, without


def _rare(data: Data, rows: np.ndarray) -> dict[str, Interval]:
    """Why a Brier score has no interval: of a finding with too few of one state, and of the mean with such a one."""
    rare: dict[str, Interval] = {}
    for place, name in enumerate(data.findings):
        known = data.known(place, rows)
        why = too_rare(data.positive(place, known).astype(np.int64), 2, data.subjects[known]) if len(known) else None
        if why is not None:
            rare[f"brier/{name}"] = why
            rare.setdefault("brier", Interval(reason=f"{why.reason} ({name})"))
    return rare


def _none(rows: np.ndarray, names: Sequence[str]) -> Sums:
    """Metrics that are undefined."""
    return Sums(rows, np.zeros((len(rows), 1)), lambda s: {n: np.full(s.shape[:-1], np.nan) for n in names})


def _calls(data: Data, rows: np.ndarray) -> Sums:
    """What is called present beside what is: of each finding, over all of them, and sample by sample."""
    target, called = data.target[rows], data.called[rows]
    known = np.isfinite(target)
    cells = [(target == 1) & called, (target == 0) & called, (target == 1) & ~called, (target == 0) & ~called]
    wrong = known & (called != (target == 1))
    assessed = known.any(axis=1)
    features = np.concatenate(
        [*(cell.astype(np.float64) for cell in cells), (assessed & ~wrong.any(axis=1))[:, None], assessed[:, None]],
        axis=1,
    )
    names = data.findings

    def parts(sums: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Metric to successes and trials."""
        size = len(names)
        tp, fp, fn, tn = (sums[..., k * size : (k + 1) * size] for k in range(len(_CELLS)))
        shares_of: dict[str, tuple[np.ndarray, np.ndarray]] = {
            "exact_match": (sums[..., -2], sums[..., -1]),
            "hamming_loss": ((fp + fn).sum(-1), (tp + fp + fn + tn).sum(-1)),
            "f1_micro": (tp.sum(-1), (tp + fp + fn).sum(-1)),
        }
        for k, name in enumerate(names):
            shares_of[f"recall/{name}"] = (tp[..., k], (tp + fn)[..., k])
            shares_of[f"specificity/{name}"] = (tn[..., k], (tn + fp)[..., k])
            shares_of[f"precision/{name}"] = (tp[..., k], (tp + fp)[..., k])
            shares_of[f"f1/{name}"] = (tp[..., k], (tp + fp + fn)[..., k])
        return shares_of

    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        values: dict[str, np.ndarray] = {}
        for name, (top, bottom) in parts(sums).items():
            share = ratio(top, bottom)
            values[name] = 2 * share / (1 + share) if name.startswith("f1") else share
        each = np.stack([values[f"f1/{name}"] for name in names], axis=-1)
        defined = np.isfinite(each)
        return {"f1_macro": ratio(np.where(defined, each, 0).sum(-1), defined.sum(-1))} | values

    def shares(sums: np.ndarray) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
        by_name = {name: [pair] for name, pair in parts(sums).items()}
        return by_name | {"f1_macro": [by_name[f"f1/{name}"][0] for name in names]}

    kinds = {name: "f1" if name.startswith("f1") else "share" for name in parts(features.sum(0))} | {
        "f1_macro": "f1_macro"
    }
    return Sums(rows, features, figures, kinds=kinds, shares=shares)


def _brier(data: Data, rows: np.ndarray, void: str | None) -> Sums:
    """``brier``: the mean over findings of each one's mean squared error of probability; ``brier/<finding>``."""
    p = np.full(data.target[rows].shape, 0.5) if void else data.probabilities[rows]
    known = np.isfinite(data.target[rows])
    square = np.where(known, (p - np.nan_to_num(data.target[rows])) ** 2, 0.0)
    features = np.concatenate([square, known.astype(np.float64)], axis=1)
    size = len(data.findings)

    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        each = ratio(sums[..., :size], sums[..., size:])
        defined = np.isfinite(each)
        mean = ratio(np.where(defined, each, 0).sum(-1), defined.sum(-1))
        return {"brier": mean} | {f"brier/{name}": each[..., k] for k, name in enumerate(data.findings)}

    def shares(sums: np.ndarray) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
        each = [(sums[..., k], sums[..., size + k]) for k in range(size)]
        return {"brier": each} | {f"brier/{name}": [each[k]] for k, name in enumerate(data.findings)}

    kinds = dict.fromkeys(["brier", *(f"brier/{name}" for name in data.findings)], "loss")
    return Sums(rows, features, figures, kinds=kinds, shares=shares)


def _errors_of(data: Data, place: int, rows: np.ndarray) -> list[Statistic]:
    """``ece/<finding>``: how far its probability is from its share."""
    known = data.known(place, rows)
    if not len(known):
        return []
    p, positive = data.probabilities[known, place], data.positive(place, known)
    return [renamed(ece_statistic(p, positive, known), {"ece": f"ece/{data.findings[place]}"})]


def _consistency(data: Data, rows: np.ndarray, confidence: float) -> dict[str, dict[str, float]]:
    """What ``ece/<finding>`` of a calibrated model would be by chance."""
    bands = {}
    for place, name in enumerate(data.findings):
        known = data.known(place, rows)
        if len(known):
            p, positive = data.probabilities[known, place], data.positive(place, known)
            bands[f"ece/{name}"] = ece_consistency(p, positive, data.subjects[known], level=confidence)
    return bands


def _reasons(data: Data, rows: np.ndarray) -> dict[str, str]:
    reasons: dict[str, str] = {}
    for place, name in enumerate(data.findings):
        known = data.known(place, rows)
        positive, called = data.positive(place, known), data.called[known, place]
        if not len(known):
            unknown = f"undefined: {name} is unknown in every sample"
            metrics = ("recall", "specificity", "precision", "f1", "brier", "ece", "auroc", "auprc")
            reasons |= {f"{metric}/{name}": unknown for metric in metrics}
            continue
        few = f"undefined: {name} is not present in two subjects and absent in two"
        reasons |= {f"auroc/{name}": few, f"auprc/{name}": few}
        absent, every = f"undefined: {name} is present in no sample", f"undefined: {name} is present in every sample"
        if not positive.any():
            reasons |= {f"recall/{name}": absent, f"f1/{name}": f"{absent}, and called in none"}
        if positive.all():
            reasons[f"specificity/{name}"] = every
        if not called.any():
            reasons[f"precision/{name}"] = f"undefined: {name} is called present in no sample"
    return reasons
