"""Settings, targets, answers and words of the task."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from scantune.prediction import TensorPredictor
from scantune.records import ScantuneError
from scantune.tasks.build import build_task
from scantune.tasks.suggestion import LabelTable
from scantune.tasks.survival import errors, words
from scantune.tasks.survival.estimators import breslow, fit_cox
from scantune.tasks.survival.metrics import parse
from scantune.tasks.survival.settings import Survival
from tests.tasks.survival import worked

SETTINGS = Survival(horizons=worked.HORIZONS)
COX, HAZARDS = build_task(SETTINGS, loss="cox"), build_task(SETTINGS, loss="discrete_hazard")
TARGETS = np.stack([worked.TIME, worked.EVENT], axis=1).astype(np.float32)
SUBJECTS = [str(i) for i in range(len(TARGETS))]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"horizons": [3, 1]}, "ascend"),
        ({"horizons": [0, 1]}, "above 0"),
        ({"cuts": [1, 2], "horizons": [1, 3]}, "before the last horizon 3"),
        ({"time": "x", "event": "x"}, "each needs a column"),
        ({"aggregate": "vote"}, "mean, median or max"),
    ],
)
def test_settings_that_contradict_themselves(keys, told):
    with pytest.raises(ValidationError, match=told):
        Survival(**keys)


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        ({"time": "-1", "event": "0"}, "target 'time' is '-1'.*0 or more"),
        ({"time": "soon", "event": "0"}, "target 'time' is 'soon'"),
        ({"time": "inf", "event": "0"}, "target 'time' is 'inf'"),
        ({"time": "2", "event": "2"}, "target 'event' is '2'.*censored"),
        ({"time": "2", "event": ""}, "target 'event' is ''"),
    ],
)
def test_targets_that_cannot_be(targets, told):
    with pytest.raises(ScantuneError, match=told):
        COX.encode(targets)


def test_times_come_back_as_the_table_wrote_them():
    columns = COX.columns(np.zeros((1, 1), np.float32), COX.encode({"time": "1.2", "event": "1"})[None], {})
    assert columns["target/time"] == [1.2]
    assert columns["target/event"].tolist() == [1]


def test_probabilities_of_cox_are_breslow_s_at_the_fitted_slope():
    output = worked.RISK.astype(np.float32)[:, None]
    fitted = COX.fit(output, TARGETS, SUBJECTS)
    assert fitted["baseline"]["slope"] == pytest.approx(worked.COX, rel=1e-5)
    score = fitted["baseline"]["slope"] * output[:, 0].astype(float)
    hazard = breslow(worked.TIME, worked.EVENT, score, np.array(worked.HORIZONS))
    columns = COX.columns(output, None, fitted)
    for i, name in enumerate(SETTINGS.probability_columns()):
        np.testing.assert_allclose(columns[name], 1 - np.exp(-np.exp(score) * hazard[i]), atol=1e-9)
    mean = [columns[name].mean() for name in SETTINGS.probability_columns()]
    np.testing.assert_allclose(mean, 1 - np.array(worked.KAPLAN_MEIER), atol=0.05)  # calibrated in the large


@pytest.mark.parametrize(
    ("task", "score", "event", "slope", "told"),
    [
        (COX, worked.RISK, np.arange(24) < 5, 1.0, "5 events on validation"),
        (COX, 0 * worked.RISK, worked.EVENT, 1.0, "all scores are equal"),
        (COX, -worked.RISK, worked.EVENT, 0.01, "does not rise with the risk"),
        (build_task(SETTINGS, loss="cox", calibration="none"), worked.RISK, worked.EVENT, 1.0, "calibration is none"),
    ],
)
def test_a_slope_that_is_not_fitted_says_why(task, score, event, slope, told):
    targets = np.stack([worked.TIME, event], axis=1)
    baseline = task.fit(score[:, None], targets, SUBJECTS)["baseline"]
    assert baseline["slope"] == slope
    assert told in baseline["note"]


def test_beyond_the_follow_up_of_validation_there_is_no_probability():
    task = build_task(Survival(horizons=(2, 50)), loss="cox")
    fitted = task.fit(worked.RISK[:, None], TARGETS, SUBJECTS)
    assert fitted["baseline"]["cumulative_hazard"][1] is None
    columns = task.columns(worked.RISK[:, None], None, fitted)
    assert np.isfinite(columns["p/2/event"]).all()
    assert np.isnan(columns["p/50/event"]).all()


def test_without_an_event_on_validation_no_probability_is_0():
    targets = np.stack([worked.TIME, 0 * worked.EVENT], axis=1)
    fitted = COX.fit(worked.RISK[:, None], targets, SUBJECTS)
    assert "0 events on validation" in fitted["baseline"]["note"]
    columns = COX.columns(worked.RISK[:, None], None, fitted)
    assert all(np.isnan(columns[name]).all() for name in SETTINGS.probability_columns())


def test_hazards_become_probabilities_by_constant_hazard_within_an_interval():
    task = build_task(Survival(horizons=(1.0, 2.0, 3.0), cuts=(2.0, 4.0)), loss="discrete_hazard")
    columns = task.columns(np.log([[[0.25 / 0.75], [0.5 / 0.5]]]), None, {})
    assert columns["p/1/event"][0] == pytest.approx(1 - 0.75**0.5)
    assert columns["p/2/event"][0] == pytest.approx(0.25)
    assert columns["p/3/event"][0] == pytest.approx(1 - 0.75 * 0.5**0.5)
    assert columns["prediction"][0] == pytest.approx(np.log(-np.log(0.75 * 0.5)))


def test_a_new_head_of_hazards_starts_at_those_of_everyone():
    head = HAZARDS.head(5, TARGETS)
    with torch.no_grad():
        head[0].weight.zero_()
        output = head(torch.zeros(1, 5)).numpy()
    p = [HAZARDS.columns(output, None, {})[name][0] for name in SETTINGS.probability_columns()]
    np.testing.assert_allclose(p, 1 - np.array(worked.KAPLAN_MEIER), atol=0.08)


def test_networks_are_averaged_as_hazards():
    class Fixed(torch.nn.Module):
        def __init__(self, logit):
            super().__init__()
            self.logits = torch.nn.Parameter(torch.full((12, 1), logit))

        def forward(self, x):
            return self.logits.expand(len(x), -1, -1)

    both = TensorPredictor([Fixed(2.0), Fixed(-3.0)], HAZARDS, {})
    result = both.columns(both.output(torch.zeros(1, 1, 4, 4)))
    hazard = (1 / (1 + np.exp(-2.0)) + 1 / (1 + np.exp(3.0))) / 2
    assert result["p/6/event"][0] == pytest.approx(1 - (1 - hazard) ** 12)


def table(**changes):
    from scantune.tasks.predictions import PredictionTable

    columns = {
        "sample_id": SUBJECTS,
        "target/time": worked.TIME,
        "target/event": worked.EVENT.astype(int),
        "prediction": worked.RISK,
        **{name: worked.P[:, i] for i, name in enumerate(SETTINGS.probability_columns())},
    }
    return PredictionTable.make({k: v for k, v in (columns | changes).items() if v is not None})


def test_errors_are_of_those_whose_course_is_known():
    from scantune.tasks.predictions import Faults

    data = parse(table(), SETTINGS, Faults())
    verdicts = [errors.assess(data, row, table()) for row in range(24)]
    censored = ~worked.EVENT & (worked.TIME <= 6)
    assert [not np.isfinite(v.size) for v in verdicts] == censored.tolist()
    assert verdicts[14].kind == "event expected, none came"  # an event at 7, .66 by 6
    assert verdicts[14].prediction == "0.66 by 6 years"
    assert verdicts[3].kind == ""  # at 3, .51
    assert verdicts[4].target == "censored at 1.00 years"


def test_an_answer_in_words():
    assert words.answer(COX, {"prediction": 0.5, "p/6/event": 0.254}) == ("0.25 by 6 years", "")
    assert words.answer(COX, {"prediction": 0.5}) == ("risk score 0.500", "")
    assert words.answer(COX, {"prediction": 0.5, "p/6/event": float("nan")}) == ("risk score 0.500", "")


def test_cox_converges_where_a_covariate_separates():
    fit = fit_cox(np.arange(1.0, 9), np.ones(8, bool), -np.arange(8.0)[:, None] / 4, ridge=1.0)
    assert fit.converged
    assert np.isfinite(fit.coefficients).all()


@pytest.mark.parametrize(
    ("time", "event", "unit", "horizons"),
    [
        ("Survival.time", "deadstatus.event", "days", [365, 730, 1095]),
        ("OS_months", "died", "months", [12, 24, 36]),
        ("follow-up", "death", "years", [1, 2, 3]),
    ],
)
def test_a_table_with_follow_up_and_events_is_known_by_its_columns(time, event, unit, horizons):
    scale = {"days": 365, "months": 12, "years": 1}[unit]
    cells = {
        "file": [f"{i}.png" for i in range(20)],
        time: [str(0.25 * i * scale) for i in range(20)],
        event: [str(i % 2) for i in range(20)],
    }
    result = Survival.suggest(LabelTable(cells))
    assert result.task == {"name": "survival", "unit": unit, "horizons": horizons}
    assert result.dataset["targets"] == {"time": time, "event": event}
    assert Survival.suggest(LabelTable(cells, target="file", named=True)) is None
    assert Survival.suggest(LabelTable(cells | {event: ["1", "2"] * 10})) is None
    assert Survival.suggest(LabelTable({name: cells[name] for name in (event, "file")})) is None


def test_an_event_at_a_horizon_or_a_follow_up_that_ends_there_counts_whatever_float32_says():
    cox = build_task(Survival(horizons=(0.7, 1.2)), loss="cox")
    times = ("0.7", "1.2", "1.2", "0.3")
    targets = np.stack([cox.encode({"time": t, "event": "1"}) for t in times])
    fitted = cox.fit(np.zeros((4, 1), np.float32), targets, SUBJECTS[:4])["baseline"]
    # 1 of 4 at 0.3, 1 of 3 at 0.7, both of the others at 1.2
    assert fitted["cumulative_hazard"] == pytest.approx([1 / 4 + 1 / 3, 1 / 4 + 1 / 3 + 2 / 2])
    ends = build_task(Survival(horizons=(0.7,)), loss="cox").fit(
        np.zeros((2, 1), np.float32), targets[[0, 3]], ["a", "b"]
    )
    assert ends["baseline"]["cumulative_hazard"] == pytest.approx([1 / 2 + 1])
    assert cox.columns(np.zeros((4, 1), np.float32), targets, {})["target/time"].tolist() == [0.7, 1.2, 1.2, 0.3]
