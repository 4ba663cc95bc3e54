"""What the evaluate stage draws of each task, from the figures it has computed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from scantune.tasks import figures, scoring
from scantune.tasks.catalogue import part
from scantune.tasks.classification.settings import Classification
from scantune.tasks.predictions import PredictionTable
from tests.report.conftest import table_of
from tests.tasks.survival.test_scoring import SETTINGS, cohort


def drawn(table: PredictionTable, schema: Any, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    units = options.pop("units", None)
    metrics = scoring.evaluate(table, schema, draws=200, **options)
    return figures.draw(table, schema, metrics, units=units), metrics


def legends(figure: Any) -> str:
    drawn_legends = [axes.get_legend() for axes in figure.axes]
    return " | ".join(text.get_text() for legend in drawn_legends if legend is not None for text in legend.get_texts())


def bands(figure: Any) -> int:
    from matplotlib.collections import FillBetweenPolyCollection

    return sum(isinstance(part, FillBetweenPolyCollection) for axes in figure.axes for part in axes.collections)


def test_two_classes_have_curves_with_bands_and_the_points_chosen_on_validation():
    schema = scoring.settings_of("classification")
    plotted, metrics = drawn(
        table_of("classification"), schema, calibrated_by={"name": "temperature", "temperature": 0.7}
    )
    assert set(plotted) == {
        *("confusion", "roc", "precision_recall", "reliability", "decision_curve", "subgroups", "coverage")
    }
    assert [bands(plotted[name]) for name in ("roc", "precision_recall", "decision_curve")] == [1, 1, 1]
    youden = next(p for p in metrics["operating_points"] if p["name"] == "youden")
    for name in ("roc", "precision_recall"):
        assert "Youden's index (≥" in legends(plotted[name])
        assert "sensitivity 0.9 (≥" in legends(plotted[name])
    marks = [line.get_xydata() for line in plotted["roc"].axes[0].lines if len(line.get_xdata()) == 1]
    assert any(np.allclose(mark, (1 - youden["specificity"], youden["sensitivity"])) for mark in marks)
    assert "before calibration" in legends(plotted["reliability"])


def test_many_classes_have_a_curve_each_and_no_decision_curve():
    rng = np.random.default_rng(2)
    truth = np.arange(60) % 3
    p = rng.dirichlet(np.ones(3), 60) + 0.4 * np.eye(3)[truth]
    columns = {f"p/{name}": p[:, k] / 1.4 for k, name in enumerate("abc")}
    table = PredictionTable.make({"target": ["abc"[t] for t in truth], **columns})
    plotted, _ = drawn(table, scoring.settings_of("classification"))
    assert "decision_curve" not in plotted
    for name, what in (("roc", "AUROC"), ("precision_recall", "AUPRC")):
        panels = [axes for axes in plotted[name].axes if axes.get_visible()]
        assert [axes.get_title(loc="left") for axes in panels] == ["a", "b", "c"]
        assert bands(plotted[name]) == 3
        assert all(axes.texts[0].get_text().startswith(what) for axes in panels)
    assert "before calibration" not in legends(plotted["reliability"])


def test_a_number_is_drawn_with_its_intervals():
    table = table_of("regression")
    values = table.numbers("prediction", None)  # type: ignore[arg-type]
    table = table.with_columns({"lower": values - 3, "upper": values + 3})
    plotted, _ = drawn(table, scoring.settings_of("regression"))
    assert set(plotted) == {"predicted_against_actual", "bland_altman", "histogram", "subgroups", "coverage"}
    n = int((table.split == "test").sum())
    bars = [c for c in plotted["predicted_against_actual"].axes[0].collections if len(c.get_paths()) == n]
    assert any(np.isclose(np.ptp(bars[0].get_paths()[0].vertices[:, 1]), 6) for _ in bars)


@pytest.mark.slow
def test_zones_have_their_reliability_and_the_class_of_the_mean_score():
    plotted, metrics = drawn(table_of("zones"), scoring.settings_of("zones"))
    names = {"zones", "zone_confusions", "zone_reliability", "mean_score", "mean_score_agreement"}
    assert names | {"severity_confusion", "severity_roc", "subgroups", "coverage"} == set(plotted)
    texts = [text.get_text() for axes in plotted["zone_reliability"].axes for text in axes.texts]
    assert len(texts) == 7
    assert all("ECE" in text for text in texts)
    assert bands(plotted["severity_roc"]) == 0  # separated: no width would claim certainty
    table = table_of("zones")
    other = np.random.default_rng(0).permutation(len(table))
    p = {name: values.astype(float) for name, values in table.columns.items() if name.startswith("p/")}
    mixed = table.with_columns({name: 0.4 * values + 0.6 * values[other] for name, values in p.items()})
    plotted, metrics = drawn(mixed, scoring.settings_of("zones"))
    of_enough = [name for name, curve in metrics["curves"].items() if name.startswith("roc/") and curve["lower"][50]]
    assert bands(plotted["severity_roc"]) == len(of_enough) == 1
    assert any("Without a band: too few subjects" in text.get_text() for text in plotted["severity_roc"].texts)


def test_masks_are_drawn_in_the_units_of_their_spacing():
    n = 24
    rng = np.random.default_rng(1)
    columns = {"dice": rng.uniform(0.5, 0.9, n), "hd95": rng.uniform(1, 9, n), "volume_target": rng.uniform(90, 99, n)}
    table = PredictionTable.make(columns | {"volume_prediction": rng.uniform(90, 99, n)})
    schema = scoring.settings_of("segmentation")
    for units, length, size in (
        (figures.Units.of(True, 3), "mm", "Reference volume (mm³)"),
        (figures.Units.of(False, 2), "pixels", "Reference area (pixels)"),
    ):
        plotted, _ = drawn(table, schema, units=units)
        labels = [axes.get_ylabel() for axes in plotted["overlap"].axes]
        assert f"HD95 ({length})" in labels
        assert plotted["volume_agreement"].axes[0].get_xlabel() == size


def test_joined_samples_are_drawn_joined_and_single_and_each_table_is_parsed_once(monkeypatch):
    module = part("classification", "metrics")
    parse, parsed = module.parse, Counter()

    def counting(table, *arguments):
        parsed[len(table)] += 1
        return parse(table, *arguments)

    monkeypatch.setattr(module, "parse", counting)
    schema = type(scoring.settings_of("classification"))(aggregate="mean")  # type: ignore[call-arg]
    n = 40
    rng = np.random.default_rng(4)
    truth = np.arange(n) // 2 % 2
    p = np.clip(0.3 + 0.4 * truth + rng.normal(0, 0.2, n), 0.01, 0.99)
    table = PredictionTable.make(
        {
            "sample_id": [f"s{i}" for i in range(n)],
            "subject_id": [f"p{i // 2}" for i in range(n)],
            "target": truth.astype(float),
            "p/0": 1 - p,
            "p/1": p,
        }
    )
    plotted, metrics = drawn(table, schema)
    assert metrics["n"] == n // 2
    assert parsed == {n: 1, n // 2: 1}
    assert {"roc", "roc_of_samples", "confusion", "confusion_of_samples"} <= set(plotted)
    notes = [plotted[name].get_supxlabel() for name in ("confusion", "confusion_of_samples")]
    assert "n = 20." in notes[0]
    assert "n = 40." in notes[1]


@pytest.mark.parametrize(("spaced", "axes", "sized"), [(True, 2, "mm²"), (False, 3, "voxels")])
def test_only_what_has_a_unit_gets_one(spaced: bool, axes: int, sized: str):
    units = figures.Units.of(spaced, axes).of_figures()
    assert units["volume_mae"] == sized
    assert "dice" not in units
    assert "volume_pearson_r" not in units


def notes(figure: Any) -> str:
    """Notes below a figure, and what stands beside its panels."""
    beside = [part.get_text() for axes in figure.axes for part in axes.texts]
    return " ".join([figure.get_supxlabel().replace("\n", " "), *beside])


def findings() -> PredictionTable:
    rng = np.random.default_rng(4)
    y = rng.random((60, 2)) < 0.4
    p = np.clip(0.3 + 0.3 * y + rng.normal(size=y.shape) * 0.2, 0, 1)
    columns = {f"{kind}/{name}": v[:, k] for kind, v in (("target", y * 1), ("p", p)) for k, name in enumerate("ab")}
    return PredictionTable.make(columns | {"sex": np.where(np.arange(60) % 2, "F", "M")})


@pytest.mark.parametrize(
    "task",
    [
        "classification",
        "regression",
        pytest.param("zones", marks=pytest.mark.slow),
        "segmentation",
        "multilabel",
        "survival",
    ],
)
def test_notes_state_the_level_of_the_intervals_and_the_size_of_small_groups(task):
    table = {"multilabel": findings, "survival": cohort}.get(task, lambda: table_of(task))()
    schema = SETTINGS if task == "survival" else scoring.settings_of(task)
    plotted, metrics = drawn(table, schema, confidence=0.8, min_group=33)
    others = ("confusion",)  # without intervals
    said = {name: notes(figure) for name, figure in plotted.items() if name not in others}
    assert not {name: text for name, text in said.items() if "95 %" in text}
    assert any("80 %" in text for text in said.values())
    assert all("80 % Wilson" in text for name, text in said.items() if name.endswith("reliability"))
    if "subgroups" in said:
        small = [e["small"] for levels in metrics["subgroups"].values() for f in levels.values() for e in f.values()]
        assert ("fewer than 33 subjects" in said["subgroups"]) == any(small)


def test_separated_classes_have_no_band_of_no_width():
    y = np.arange(40) % 4 == 0
    table = PredictionTable.make({"target": y * 1, "p/1": np.where(y, 0.9, 0.1)})
    plotted, _ = drawn(table, scoring.settings_of("classification"))
    assert [bands(plotted[name]) for name in ("roc", "precision_recall")] == [0, 0]
    assert "Bands" not in notes(plotted["roc"])


def test_subgroups_and_metrics_have_the_unit_of_the_target():
    table = table_of("regression")
    schema = type(scoring.settings_of("regression"))(unit="years")
    metrics = scoring.evaluate(table, schema, draws=200)
    units = figures.units_of(schema, metrics, None)
    assert {"mae", "rmse", "bland_altman_bias", "bland_altman_upper"} <= set(units)
    assert set(units.values()) == {"years"}
    assert not {"r2", "ccc", "bland_altman_slope", "clinical_error_rate", "conformal_coverage"} & set(units)
    plotted = figures.draw(table, schema, metrics | {"units": units})
    assert plotted["subgroups"].axes[0].get_xlabel() == "MAE (years)"


def test_each_of_several_targets_has_its_own_unit():
    schema = type(scoring.settings_of("regression"))(targets={"age": {"unit": "years"}, "score": {}})
    names = ("mae", "mae/age", "mae/score", "r2/age", "bland_altman_slope/age")
    assert figures.units_of(schema, {"metrics": dict.fromkeys(names)}, None) == {"mae/age": "years"}


def test_reliability_of_a_finding_has_its_n_and_intervals_by_bin():
    table = findings()
    plotted, metrics = drawn(table, scoring.settings_of("multilabel"))
    axes = plotted["finding_reliability"].axes[0]
    assert f"n = {metrics['metrics']['ece/a']['n']}" in axes.texts[0].get_text()
    (bars,) = [part for part in axes.collections if len(part.get_segments()) > 1]
    (curve,) = [line for line in axes.lines if line.get_marker() == "o"]
    for (_, lower), (_, upper), observed in zip(
        *np.swapaxes(bars.get_segments(), 0, 1), curve.get_ydata(), strict=True
    ):
        assert lower <= observed <= upper
        assert upper > lower


def test_names_that_make_one_file_name_have_files_of_their_own():
    named = figures.file_names(["EF", "a/b", "a b", "é", "A b"])
    assert (named["EF"], named["é"]) == ("EF", "é")
    assert len({name.lower() for name in named.values()}) == 5


def test_bands_are_of_the_classes_that_are_drawn():
    from scantune.plots.by_class import MOST
    from scantune.tasks.context import PANELS, frequent

    assert PANELS == MOST
    assert frequent(np.array([5, 1, *[3] * 45])) == [0, *range(2, 41)]


def test_a_roc_band_needs_five_subjects_of_the_smaller_class():
    """Of four positives the sensitivity is one of five values in every draw."""
    for positives, banded in ((4, False), (6, True)):
        target = np.arange(30) < positives
        p = np.clip(0.3 + 0.3 * target + np.random.default_rng(1).normal(0, 0.2, 30), 0.01, 0.99)
        table = PredictionTable.make({"target": target.astype(int), "p/0": 1 - p, "p/1": p})
        metrics = scoring.evaluate(table, Classification(), draws=50, calibration="none")
        assert bool(figures.bands(metrics, "roc")) is banded
        assert (set(metrics["curves"]["roc/1"]["lower"]) == {None}) is not banded
