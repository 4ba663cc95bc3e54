"""All figures with 2,000 draws of subjects: scantune against a loop over scikit-learn's and SciPy's functions.

10,000 samples of 3,000 subjects. The loop's draws are the very draws of scantune, whose figures must be equal before a
time counts; it does a few of them, and its time is scaled to 2,000. Of survival it has Harrell's concordance alone.
scantune's time is that of ``score``: values, leave-out values and intervals, and draws where a metric has no other
interval. With all 2,000 draws of every metric besides it is given as ``drawn``. Kendall's interval is scantune's by
leaving out subjects, not by draws: the ratio is given with and without it. Times are of the processor, one thread each.
Memory is the peak that NumPy allocates.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.resampling_tasks import findings, followed, loop_findings, loop_followed, loop_masks, masks

SAMPLES, SUBJECTS, DRAWS, LOOPED = 10_000, 3_000, 2_000, 3

Figures = dict[str, float]


def _subjects(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.concatenate([np.arange(SUBJECTS), rng.integers(0, SUBJECTS, n)])[:n]


def _regression(rng: np.random.Generator, n: int) -> Any:
    from scantune.tasks.regression.metrics import Data
    from scantune.tasks.regression.settings import Regression

    target = rng.integers(0, 69, n) / 2
    return Data(target, target + rng.normal(0, 2, n), _subjects(rng, n), Regression(range=(0, 34)))


def _classification(rng: np.random.Generator, n: int) -> Any:
    from scantune.tasks.classification.metrics import Data
    from scantune.tasks.classification.settings import Classification

    y = rng.integers(0, 2, n)
    p = 1 / (1 + np.exp(-(2 * y - 1 + rng.normal(0, 1.5, n))))
    return Data(y, np.stack([1 - p, p], 1), ("0", "1"), 1, _subjects(rng, n), Classification())


def _zones(rng: np.random.Generator, n: int) -> Any:
    from scantune.tasks.zones.metrics import Data
    from scantune.tasks.zones.settings import Zones

    y = rng.integers(0, 5, (n, 6))
    p = rng.dirichlet(np.ones(5), (n, 6))
    np.put_along_axis(p, y[..., None], np.take_along_axis(p, y[..., None], 2) + 0.3, 2)
    return Data(y, p / p.sum(2, keepdims=True), _subjects(rng, n), Zones())


def _loop_regression(data: Any, rows: np.ndarray) -> Figures:
    from scipy import stats
    from sklearn import metrics

    x, y = data.target[rows], data.prediction[rows]
    figures = {
        "mae": metrics.mean_absolute_error(x, y),
        "rmse": metrics.root_mean_squared_error(x, y),
        "r2": metrics.r2_score(x, y),
        "pearson_r": stats.pearsonr(x, y)[0],
        "spearman_rho": stats.spearmanr(x, y)[0],
        "bland_altman_slope": stats.linregress((x + y) / 2, y - x).slope,
        "bland_altman_plain_bias": (y - x).mean(),
        "bland_altman_plain_sd": (y - x).std(ddof=1),
        "clinical_error_rate": (np.abs(x - y) > 2).mean(),
    }
    for name, low, high in (("below_5", -1, 5), ("5_to_15", 5, 15), ("from_15", 15, 99)):
        inside = (x >= low) & (x < high)
        figures[f"mae_{name}"] = metrics.mean_absolute_error(x[inside], y[inside])
    return figures


def _loop_kendall(data: Any, rows: np.ndarray) -> Figures:
    from scipy import stats

    return {"": stats.kendalltau(data.target[rows], data.prediction[rows])[0]}


def _loop_classification(data: Any, rows: np.ndarray) -> Figures:
    from sklearn import metrics
    from sklearn.linear_model import LogisticRegression

    y, p = data.target[rows], data.probabilities[rows, 1]
    predicted = (p > 0.5).astype(int)
    figures = {
        "auroc": metrics.roc_auc_score(y, p),
        "auprc": metrics.average_precision_score(y, p),
        "accuracy": metrics.accuracy_score(y, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, predicted),
        "mcc": metrics.matthews_corrcoef(y, predicted),
        "f1_macro": metrics.f1_score(y, predicted, average="macro"),
        "f1_weighted": metrics.f1_score(y, predicted, average="weighted"),
        "brier": metrics.brier_score_loss(y, p),
        "log_loss": metrics.log_loss(y, p),
    }
    each = metrics.precision_recall_fscore_support(y, predicted)
    for k in range(2):
        figures |= {f"precision/{k}": each[0][k], f"recall/{k}": each[1][k], f"f1/{k}": each[2][k]}
    logit = np.log(p / (1 - p))[:, None]
    figures["calibration_slope"] = LogisticRegression(C=1e12, tol=1e-8).fit(logit, y).coef_[0, 0]
    return figures


def _loop_zones(data: Any, rows: np.ndarray) -> Figures:
    from scipy import stats
    from sklearn import metrics

    from scantune.tasks.zones.metrics import mean_score

    y, predicted = data.target[rows], data.prediction[rows]
    figures: Figures = {}
    kinds = (("kappa", None), ("kappa_linear", "linear"), ("kappa_quadratic", "quadratic"))
    parts = {"": (y.ravel(), predicted.ravel())} | {
        f"/{z}": (y[:, i], predicted[:, i]) for i, z in enumerate(data.settings.zones)
    }
    for suffix, (a, b) in parts.items():
        graded = (a < 4) & (b < 4)
        figures["f1_macro" + suffix] = metrics.f1_score(a, b, average="macro")
        figures["f1_weighted" + suffix] = metrics.f1_score(a, b, average="weighted")
        figures["coverage" + suffix] = (b < 4).mean()
        for name, weights in kinds:
            figures[name + suffix] = metrics.cohen_kappa_score(a[graded], b[graded], weights=weights)
    score = [mean_score(c, 4) for c in (y, predicted)]
    kept = np.isfinite(score[0]) & np.isfinite(score[1])
    a, b = score[0][kept], score[1][kept]
    figures["mean_score_mae"] = metrics.mean_absolute_error(a, b)
    figures["mean_score_rmse"] = metrics.root_mean_squared_error(a, b)
    figures["mean_score_pearson_r"] = stats.pearsonr(a, b)[0]
    figures["mean_score_spearman_rho"] = stats.spearmanr(a, b)[0]
    for cut in data.settings.cut_offs:
        figures[f"ahf_auroc/above_{cut:g}"] = metrics.roc_auc_score(a > cut, b)
    return figures


MAKE: Mapping[str, tuple[Callable[..., Any], Callable[..., Figures]]] = {
    "regression": (_regression, _loop_regression),
    "classification": (_classification, _loop_classification),
    "zones": (_zones, _loop_zones),
    "multilabel": (lambda rng, n: findings(rng, _subjects(rng, n)), loop_findings),
    "survival": (lambda rng, n: followed(rng, _subjects(rng, n)), loop_followed),
    "segmentation": (lambda rng, n: masks(rng, _subjects(rng, n)), loop_masks),
}


def _ours(task: str, data: Any, draws: int = DRAWS) -> Any:
    from scantune.statistics.resampling import Resampler
    from scantune.tasks.catalogue import part
    from scantune.tasks.plan import carry_out

    plan = part(task, "metrics").plan(data, np.arange(len(data.subjects)))
    resampler = Resampler(data.subjects, draws)
    resampled = carry_out([plan], resampler)[0]
    drawn = {name: d for named in resampler.run(plan.statistics) for name, d in named.items()}
    return replace(resampled, distributions=drawn)


def _scored(task: str, data: Any) -> None:
    """What ``score`` does."""
    from scantune.statistics.resampling import Resampler
    from scantune.tasks.catalogue import part
    from scantune.tasks.plan import carry_out

    plan = part(task, "metrics").plan(data, np.arange(len(data.subjects)))
    carry_out([plan], Resampler(data.subjects, DRAWS))


def _rows(data: Any, draw: int) -> np.ndarray:
    """The rows that a draw of scantune takes, written out."""
    from scantune.statistics.resampling import Resampler

    resampler = Resampler(data.subjects, DRAWS)
    chunk, place = divmod(draw, resampler.chunk)
    return np.repeat(np.arange(len(data.subjects)), resampler.weights(chunk)[resampler.codes, place].astype(int))


def _equal(resampled: Any, looped: Figures, draw: int, task: str) -> None:
    for name, value in looped.items():
        ours = resampled.distributions[name].draws[draw]
        # The logistic fits stop at tolerances of their own.
        close = 1e-3 if name == "calibration_slope" else 1e-8
        assert abs(ours - value) <= close * max(1, abs(value)), f"{task} {name}: {ours} and {value}"


def _seconds(call: Callable[[], Any]) -> float:
    """Of the processor: both sides run in this process, on one thread, and other work must not count."""
    start = time.process_time()
    call()
    return time.process_time() - start


def compare(task: str, rng: np.random.Generator) -> dict[str, float]:
    """Ratio of the loop's time for all draws to scantune's, and scantune's peak memory."""
    make, loop = MAKE[task]
    data = make(rng, SAMPLES)
    resampled = _ours(task, data)
    mine: list[float] = []
    theirs: list[float] = []
    kendall: list[float] = []
    for draw in range(LOOPED):
        rows = _rows(data, draw)
        _equal(resampled, loop(data, rows), draw, task)
        theirs.append(_seconds(lambda rows=rows: loop(data, rows)))  # type: ignore[misc]
        if task == "regression":
            kendall.append(_seconds(lambda rows=rows: _loop_kendall(data, rows)))  # type: ignore[misc]
        if draw % 2 == 0:
            mine.append(_seconds(lambda: _scored(task, data)))
    tracemalloc.start()
    _ours(task, data)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    drawn = _seconds(lambda: _ours(task, data))
    own, usual = statistics.median(mine), statistics.median(theirs) * DRAWS
    with_kendall = usual + (statistics.median(kendall) * DRAWS if kendall else 0)
    return {
        "ours": own,
        "loop": with_kendall,
        "ratio": with_kendall / own,
        "bare": usual / own,
        "peak": peak,
        "drawn": drawn,
    }


def main() -> dict[str, float]:
    """Prints a line a task; returns the ratios."""
    warnings.simplefilter("ignore")
    from benchmarks.timing import one_thread

    one_thread()
    print(f"{SAMPLES} samples of {SUBJECTS} subjects, {DRAWS} draws; the loop's time scaled from {LOOPED}")
    out: dict[str, float] = {}
    total = {"ours": 0.0, "loop": 0.0}
    for task in MAKE:
        timing = compare(task, np.random.default_rng(0))
        total = {k: total[k] + timing[k] for k in total}
        bare = f" ({timing['bare']:.0f} × without Kendall)" if task == "regression" else ""
        print(
            f"{task}: scantune {timing['ours']:.2f} s, loop {timing['loop']:.0f} s: {timing['ratio']:.0f} ×{bare}, "
            f"with all draws {timing['drawn']:.2f} s, peak {timing['peak']:.0f} MiB"
        )
        out |= {f"{task}_ratio": timing["ratio"], f"{task}_peak_mib": timing["peak"]}
    out["ratio"] = total["loop"] / total["ours"]
    print(f"all tasks: {out['ratio']:.0f} × (goal 100)")
    return out


if __name__ == "__main__":
    main()
