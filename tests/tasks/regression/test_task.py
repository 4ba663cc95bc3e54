"""Several targets as the engine sees them: encoding, head, epoch metrics, intervals, maps, words."""

import numpy as np
import pytest
import torch

from scantune.records import ScantuneError
from scantune.tasks.build import build_task
from scantune.tasks.errors import sample_errors
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.regression import saliency, words
from scantune.tasks.regression.settings import Regression
from scantune.tasks.scoring import evaluate

SETTINGS = Regression.model_validate(
    {"targets": {"age": {"unit": "years"}, "lesion_score": {"range": [0, 34], "round": 0.5, "score_ranges": [5]}}}
)
NAN = float("nan")


def task():
    return build_task(SETTINGS)


def samples(n=60, seed=0):
    rng = np.random.default_rng(seed)
    targets = np.stack([rng.uniform(20, 80, n), rng.uniform(0, 34, n)], axis=1).astype(np.float32)
    answers = targets + rng.normal(0, 2, targets.shape).astype(np.float32)
    targets[rng.random(targets.shape) < 0.25] = NAN
    return answers, targets


def test_an_empty_cell_is_unknown_and_a_wrong_one_is_named():
    assert np.isnan(task().encode({"age": "63", "lesion_score": " "})).tolist() == [False, True]
    with pytest.raises(ScantuneError, match=r"'lesion_score' is 40; allowed: 0 to 34"):
        task().encode({"age": "63", "lesion_score": "40"})
    with pytest.raises(ScantuneError, match="'score' is ''; a number is needed"):
        build_task(Regression(target="score")).encode({"score": ""})


def test_the_head_starts_at_the_mean_of_each_target_where_it_is_known():
    _, targets = samples()
    head = task().head(4, targets)
    with torch.no_grad():
        head[0].weight.zero_()
        head[0].bias.copy_(torch.tensor([0.0, 1.0]))
    answered = head(torch.ones(1, 4))[0].tolist()
    mean, std = np.nanmean(targets, axis=0), np.nanstd(targets, axis=0)
    assert answered == pytest.approx([mean[0], mean[1] + std[1]], rel=1e-5)
    targets[:, 1] = NAN
    with pytest.raises(ScantuneError, match="'lesion_score' is empty in all 60 training samples"):
        task().head(4, targets)


def test_epoch_metrics_are_those_of_each_target_on_the_samples_that_have_it():
    answers, targets = samples()
    result = task().summarise(answers, targets)
    assert set(result) == set(task().epoch_metrics)
    for place, name in enumerate(SETTINGS.targets):
        known = np.isfinite(targets[:, place])
        alone = build_task(Regression(target=name, score_ranges=(5.0,) if place else ()))
        expected = alone.summarise(answers[known, place : place + 1], targets[known, place : place + 1])
        assert {key: result[f"{key}/{name}"] for key in expected} == pytest.approx(expected)
    assert result["r2"] == pytest.approx((result["r2/age"] + result["r2/lesion_score"]) / 2)
    targets[:, 0] = NAN
    assert np.isnan(task().summarise(answers, targets)["r2"])


def test_each_target_has_a_conformal_interval_of_its_own_cut_off_at_its_range():
    answers, targets = samples(200)
    fitted = task().fit(answers, targets, [str(i) for i in range(200)])
    assert set(fitted["conformal"]) == {"age", "lesion_score"}
    columns = task().columns(answers, targets, fitted, np.ones_like(answers))
    kinds = ("target", "prediction", "prediction_sd", "lower", "upper")
    assert list(columns) == [f"{kind}/{name}" for name in ("age", "lesion_score") for kind in kinds]
    assert columns["lower/lesion_score"].min() >= 0
    assert (columns["prediction/lesion_score"] % 0.5 == 0).all()
    for place, name in enumerate(SETTINGS.targets):
        known = np.isfinite(targets[:, place])
        assert fitted["conformal"][name]["n_subjects"] == known.sum()
        inside = (columns[f"lower/{name}"] <= targets[:, place]) & (targets[:, place] <= columns[f"upper/{name}"])
        assert 0.9 <= inside[known].mean() < 0.97


def test_strata_are_those_of_the_mean_in_standard_units():
    targets = np.array([[20, NAN], [NAN, 30], [80, 0], [NAN, NAN], [80, 30], [20, 0]], np.float32)  # −1 1 0 0 1 −1
    strata = task().strata(targets)
    assert strata[0] == strata[5] < strata[2] == strata[3] < strata[1] == strata[4]


def test_a_map_explains_each_target_and_masks_may_be_evidence_of_one():
    output = torch.tensor([3.0, 5.0])
    assert [float(question.target(output)) for question in saliency.questions(output)] == [3, 5]
    assert [saliency.subject(task(), question.index) for question in saliency.questions(output)] == [
        *("age", "lesion score")
    ]
    assert len(list(saliency.mask_questions(task(), output, None, {}))) == 2
    (only,) = saliency.mask_questions(task(), output, "lesion_score", {})
    assert float(only[0](output)) == 5
    with pytest.raises(ScantuneError, match="'lesions' is not one of the targets age, lesion_score"):
        list(saliency.mask_questions(task(), output, "lesions", {}))


def test_an_answer_in_words_names_every_target_with_unit_and_interval():
    values = {"prediction/age": 63.2, "lower/age": 55.0, "upper/age": 71.0, "prediction/lesion_score": 4.0}
    assert words.answer(task(), values) == ("age 63.2 years (55.0 to 71.0), lesion score 4.00", "")
    one = build_task(Regression(target="age", unit="years"))
    assert words.answer(one, {"prediction": 63.2, "lower": 55.0, "upper": 71.0}) == ("63.2 years", "55.0 to 71.0")


def test_a_target_keeps_its_decimals_through_float32_and_so_its_side_of_a_cut():
    settings = Regression(range=(0, 1.1), score_ranges=(0.7,), significant_error=0.2)
    decimals = build_task(settings)
    targets = np.stack([decimals.encode({"target": text}) for text in ("0.7", "1.1", "0.1")])
    columns = decimals.columns(np.float32([[0.7], [1.1], [0.3]]), targets, {"conformal": {"quantile": 0.1}})
    assert columns["target"].tolist() == [0.7, 1.1, 0.1]
    assert decimals.summarise(np.float32([[0.9], [1.1], [0.1]]), targets) == pytest.approx(
        decimals.summarise(np.float32([[0.9], [1.1], [0.1]]), targets.astype(np.float64).round(6))
    )
    table = PredictionTable.make(columns)
    metrics = evaluate(table, settings, draws=10)
    assert metrics["metrics"]["mae_from_0.7"]["n"] == 2
    assert metrics["stated_intervals"]["coverage"]["value"] == pytest.approx(2 / 3)


def test_an_error_of_just_the_limit_is_counted_alike_in_the_list_of_errors_and_in_the_rate():
    off = {"target": [0.1, 6.3, 1.0], "prediction": [2.1, 8.3, 3.1]}  # 8.3 − 6.3 is 2.0000000000000009
    table = PredictionTable.make(off)
    stated = Regression(significant_error=2)
    wrong = [error.wrong for error in sample_errors(table, stated)]
    assert wrong == [False, False, True]
    assert evaluate(table, stated, draws=10)["metrics"]["clinical_error_rate"]["value"] == pytest.approx(1 / 3)
    both = PredictionTable.make({f"{kind}/{name}": values for kind, values in off.items() for name in "ab"})
    assert [error.wrong for error in sample_errors(both, Regression(targets=["a", "b"], significant_error=2))] == wrong
