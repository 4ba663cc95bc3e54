"""metrics.json of survival: from anybody's predictions, with reasons where something is undefined."""

import json

import numpy as np
import pytest

from scantune.tasks import figures, scoring
from scantune.tasks.comparing import ComparisonError, compare
from scantune.tasks.predictions import Faults, PredictionsError, PredictionTable
from scantune.tasks.survival.figures import kaplan_meier
from scantune.tasks.survival.metrics import measure, parse
from scantune.tasks.survival.settings import Survival
from tests.tasks.survival import worked
from tests.tasks.survival.test_task import SETTINGS, table


def cohort(n=160, subjects=160, seed=0, strength=1.0):
    """Times that follow a risk, censored at random, half of them validation."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=n)
    time, censored = rng.exponential(4 * np.exp(-risk)), rng.uniform(0.5, 12, n)
    seen = strength * risk + (1 - strength) * rng.normal(size=n)
    p = {f"p/{h:g}/event": 1 - np.exp(-h / 4 * np.exp(seen)) for h in worked.HORIZONS}
    return PredictionTable.make(
        {
            "sample_id": [f"x{i}" for i in range(n)],
            "subject_id": [f"s{i % subjects}" for i in range(n)],
            "split": ["validation" if i % 2 else "test" for i in range(n)],
            "target/time": np.minimum(time, censored),
            "target/event": (time <= censored).astype(int),
            "prediction": seen,
            **p,
            "sex": [("f", "m")[i // 2 % 2] for i in range(n)],
            "age": np.round(60 + 10 * risk + 5 * rng.normal(size=n)),
        }
    )


@pytest.fixture(scope="module")
def scored():
    return scoring.evaluate(cohort(), SETTINGS, draws=200)


def test_every_metric_has_an_interval_by_subject(scored):
    json.dumps(scored, allow_nan=False)
    for name, entry in scored["metrics"].items():
        assert entry["lower"] <= entry["value"] <= entry["upper"], name
        assert "by subject" in entry["method"], name
    assert scored["headline"][0] == "concordance_harrell"
    assert {"f", "m"} == set(scored["subgroups"]["sex"])
    assert scored["subgroups"]["sex"]["f"]["integrated_brier"]["gap"]["value"] is not None


def test_true_probabilities_are_calibrated():
    data = parse(cohort(4000), SETTINGS, Faults())
    p, ones = data.probabilities, np.ones((4000, 1))
    result = measure(data.time, data.event, data.prediction, p, p, ones, SETTINGS.horizons)
    for horizon in SETTINGS.horizons:
        assert abs(result[f"calibration_difference/{horizon:g}"][0]) < 0.03


def test_risk_groups_are_cut_on_validation_and_counted(scored):
    risk_groups, data = scored["risk_groups"], cohort()
    rows = data.split == "validation"
    np.testing.assert_allclose(risk_groups["cut_at"], np.quantile(data.columns["prediction"][rows], [1 / 3, 2 / 3]))
    groups = risk_groups["groups"]
    assert list(groups) == ["low", "intermediate", "high"]
    assert sum(group["n"] for group in groups.values()) == 80
    free = [group["event_free"]["4"]["value"] for group in groups.values()]
    assert free == sorted(free, reverse=True)
    assert risk_groups["log_rank"]["p_value"] < 0.001
    for group in groups.values():
        assert group["at_risk"] == sorted(group["at_risk"], reverse=True)
        assert group["at_risk"][0] == group["n"]
        curve = group["curve"]
        points = list(zip(curve["lower"], curve["value"], curve["upper"], strict=True))
        assert all(a <= b <= c for a, b, c in points)
    for bins in scored["horizons"].values():
        assert [b["predicted"] for b in bins] == sorted(b["predicted"] for b in bins)
        assert sum(b["observed"]["n"] for b in bins) == 80


def test_the_model_beats_everyone_s_curve_and_cox_on_age_lies_between(scored):
    harrell = {name: entry["concordance_harrell"]["value"] for name, entry in scored["baselines"].items()}
    brier = {name: entry["integrated_brier"]["value"] for name, entry in scored["baselines"].items()}
    assert harrell["kaplan_meier"] == 0.5
    assert 0.5 < harrell["covariates"] < scored["metrics"]["concordance_harrell"]["value"]
    assert brier["kaplan_meier"] > brier["covariates"] > scored["metrics"]["integrated_brier"]["value"]
    assert scored["baselines"]["kaplan_meier"]["integrated_brier"]["difference"]["upper"] < 0


def test_figures_are_drawn_with_and_without_what_they_need(scored):
    drawn = figures.draw(cohort(), SETTINGS, scored)
    assert {"kaplan_meier", "calibration_at_horizons", "auroc_at_horizons", "subgroups"} <= set(drawn)
    bare = table(**dict.fromkeys(SETTINGS.probability_columns()))
    few = bare.take(np.arange(3))
    for predictions in (bare, few):
        metrics = scoring.evaluate(predictions, SETTINGS, draws=50)
        for figure in figures.draw(predictions, SETTINGS, metrics).values():
            figure.canvas.draw()


def test_a_file_without_probabilities_is_ranked_by_its_risk_score():
    result = scoring.evaluate(table(**dict.fromkeys(SETTINGS.probability_columns())), SETTINGS, draws=50)["metrics"]
    assert result["auroc/4"]["value"] == pytest.approx(worked.SKSURV["auroc/4"])
    assert result["integrated_brier"]["value"] is None
    assert "p/2/event is missing" in result["integrated_brier"]["reason"]


def test_undefined_is_null_with_its_reason():
    far = Survival(horizons=(2, 40))
    result = scoring.evaluate(table(**{"p/40/event": [0.9] * 24}), far, draws=50)["metrics"]
    assert result["auroc/40"]["value"] is None
    assert result["auroc/40"]["reason"] == "undefined: 17 events by 40 years and 0 samples followed beyond"
    censored = scoring.evaluate(table(**{"target/event": [0] * 24}), SETTINGS, draws=50)
    for name in ("concordance_harrell", "concordance_uno", "mean_auroc"):
        assert censored["metrics"][name]["value"] is None, name
        assert censored["metrics"][name]["reason"], name
    assert "reason" in censored["risk_groups"]["log_rank"]
    void = scoring.evaluate(table(prediction=[np.nan] * 24), SETTINGS, draws=50)["metrics"]
    assert "not a finite number" in void["concordance_harrell"]["reason"]


def test_faults_of_a_file_are_told_together():
    times = ["-1", *(f"{t:g}" for t in worked.TIME[1:])]
    with pytest.raises(PredictionsError) as error:
        scoring.evaluate(
            table(**{"target/time": times, "target/event": [3] + [0] * 23, "p/4/event": [1.5] * 24}), SETTINGS
        )
    for told in (
        "column target/time: not a time",
        "target/event: neither 0 (censored) nor 1",
        "p/4/event: a probability",
    ):
        assert told in str(error.value)


def test_samples_of_a_subject_join_and_the_log_rank_test_is_withheld():
    data = cohort(n=80, subjects=40)
    twice = {name: np.tile(values[:40], 2) for name, values in data.columns.items() if name != "sample_id"}
    twice["sample_id"] = [f"x{i}" for i in range(80)]
    doubled = PredictionTable.make(twice)
    plain = scoring.evaluate(doubled, SETTINGS, draws=50)
    assert "several samples" in plain["risk_groups"]["log_rank"]["reason"]
    drawn = kaplan_meier(plain["risk_groups"])
    assert any("No log-rank test: subjects have several samples" in text.get_text() for text in drawn.texts)
    once = scoring.evaluate(data.take(np.arange(40)), SETTINGS, draws=50)["metrics"]
    joined = scoring.evaluate(doubled, SETTINGS.model_copy(update={"aggregate": _mean()}), draws=50)
    for name, entry in once.items():
        assert joined["metrics"][name]["value"] == pytest.approx(entry["value"]), name
        width = plain["metrics"][name]["upper"] - plain["metrics"][name]["lower"]
        assert width > 0.9 * (entry["upper"] - entry["lower"]), name  # copies add no certainty


def _mean():
    return Survival(aggregate="mean").aggregate


def test_two_models_are_compared_on_the_same_subjects():
    better, worse = cohort(), cohort(strength=0.3)
    result = compare(worse, better, SETTINGS, draws=100)
    assert result["primary"] == "concordance_harrell"
    assert result["decision"]["superior"] is True
    assert "integrated_brier" in result["lower_is_better"]
    with pytest.raises(ComparisonError, match="another target"):
        compare(better, cohort(seed=1), SETTINGS, draws=100)


def test_a_perfect_order_of_two_events_is_known_as_well_as_two_trials():
    time, event = np.r_[1.2, 1.5, np.full(28, 6.0)], np.r_[1, 1, np.zeros(28)]
    columns = {"target/time": time, "target/event": event, "prediction": -time}
    metrics = scoring.evaluate(PredictionTable.make(columns), Survival(horizons=(1, 2)), draws=1)["metrics"]
    for name in ("concordance_harrell", "concordance_uno", "auroc/2"):
        assert metrics[name]["value"] == 1
        assert (metrics[name]["lower"], metrics[name]["upper"]) == pytest.approx((0.1581, 1), abs=1e-4)
    ties = np.r_[np.full(20, 1.0), 2.0]  # twenty events at one time, and one who outlasts them
    columns = {"target/time": ties, "target/event": ties == 1, "prediction": -ties}
    metrics = scoring.evaluate(PredictionTable.make(columns), Survival(horizons=(1,)), draws=1)["metrics"]
    assert metrics["concordance_harrell"]["lower"] == pytest.approx(0.025)


def test_a_curve_without_an_event_is_known_as_well_as_those_still_followed():
    time = np.r_[np.full(17, 0.5), np.full(3, 4.0), np.arange(1, 21) / 5]
    columns = {"target/time": time, "target/event": np.r_[np.zeros(20), np.ones(20)]}
    predictions = PredictionTable.make(columns | {"prediction": np.r_[np.zeros(20), np.ones(20)]})
    groups = scoring.evaluate(predictions, Survival(horizons=(1, 3), risk_groups=2), draws=1)["risk_groups"]["groups"]
    assert groups["low"]["event_free"]["3"]["value"] == 1
    assert groups["low"]["event_free"]["3"]["lower"] == pytest.approx(0.2924, abs=1e-4)  # three of three


def test_a_group_of_too_few_subjects_has_a_curve_without_a_band():
    few = cohort(n=8)
    section = scoring.evaluate(few, Survival(horizons=worked.HORIZONS), draws=1)["risk_groups"]
    for group in section["groups"].values():
        assert set(group["curve"]["lower"][1:]) <= {None}
    assert "without a band there is no interval" in " ".join(t.get_text() for t in kaplan_meier(section).texts)
