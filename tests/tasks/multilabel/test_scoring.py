"""Metrics of findings: against scikit-learn on what is known, invariances, faults of a table."""

import numpy as np
import pytest
from sklearn import metrics as peer

from scantune.tasks import scoring
from scantune.tasks.catalogue import part
from scantune.tasks.comparing import compare
from scantune.tasks.multilabel.figures import _co_occurrence
from scantune.tasks.multilabel.settings import Multilabel
from scantune.tasks.predictions import PredictionsError, PredictionTable

FINDINGS = ("Effusion", "Mass", "Rare")


def table(n=240, seed=0, unknown=0.2):
    rng = np.random.default_rng(seed)
    target = (rng.random((n, 3)) < [0.4, 0.25, 0.08]).astype(float)
    p = np.clip(0.25 + 0.4 * target + rng.normal(0, 0.2, (n, 3)), 0.01, 0.99)
    target[rng.random((n, 3)) < unknown] = np.nan
    columns = {
        "sample_id": [f"x{i}" for i in range(n)],
        "subject_id": [f"s{i}" for i in range(n)],
        "split": np.where(np.arange(n) % 3 == 0, "validation", "test"),
        "sex": np.array(["F", "M"])[np.arange(n) % 2],
        "age": np.arange(n) % 90,
    }
    columns |= {f"target/{name}": target[:, k] for k, name in enumerate(FINDINGS)}
    columns |= {f"p/{name}": p[:, k] for k, name in enumerate(FINDINGS)}
    return PredictionTable.make(columns), target, p


def values(scores):
    return {name: entry["value"] for name, entry in scores["metrics"].items()}


def test_metrics_are_those_of_scikit_learn_on_the_known_findings():
    predictions, target, p = table()
    result = values(scoring.evaluate(predictions, Multilabel(findings=FINDINGS), draws=100))
    test = predictions.split == "test"
    areas, precisions = [], []
    for k, name in enumerate(FINDINGS):
        known = test & np.isfinite(target[:, k])
        areas.append(peer.roc_auc_score(target[known, k], p[known, k]))
        precisions.append(peer.average_precision_score(target[known, k], p[known, k]))
        assert result[f"auroc/{name}"] == pytest.approx(areas[-1])
        assert result[f"brier/{name}"] == pytest.approx(peer.brier_score_loss(target[known, k], p[known, k]))
    assert result["auroc"] == pytest.approx(np.mean(areas))
    assert result["auprc"] == pytest.approx(np.mean(precisions))


def test_calls_are_those_of_scikit_learn_where_all_is_known():
    predictions, target, p = table(unknown=0)
    result = values(scoring.evaluate(predictions, Multilabel(findings=FINDINGS, threshold="half"), draws=100))
    test = predictions.split == "test"
    truth, called = target[test].astype(int), (p[test] >= 0.5).astype(int)
    assert result["exact_match"] == pytest.approx(peer.accuracy_score(truth, called))
    assert result["hamming_loss"] == pytest.approx(peer.hamming_loss(truth, called))
    assert result["f1_macro"] == pytest.approx(peer.f1_score(truth, called, average="macro"))
    assert result["f1_micro"] == pytest.approx(peer.f1_score(truth, called, average="micro"))
    for k, name in enumerate(FINDINGS):
        assert result[f"recall/{name}"] == pytest.approx(peer.recall_score(truth[:, k], called[:, k]))
        assert result[f"precision/{name}"] == pytest.approx(peer.precision_score(truth[:, k], called[:, k]))


def test_exact_match_and_hamming_loss_count_known_findings_alone():
    columns = {
        "target/a": [1, 0, np.nan, np.nan], "target/b": [np.nan, 1, 0, np.nan],
        "p/a": [0.9, 0.9, 0.9, 0.9], "p/b": [0.1, 0.9, 0.1, 0.1],
    }  # fmt: skip
    metrics = scoring.evaluate(
        PredictionTable.make(columns), Multilabel(findings=("a", "b"), threshold="half"), draws=50
    )
    assert values(metrics)["exact_match"] == pytest.approx(2 / 3)  # the last sample has nothing to be right about
    assert metrics["metrics"]["exact_match"]["n"] == 3
    assert values(metrics)["hamming_loss"] == pytest.approx(1 / 4)
    assert metrics["states"]["a"] == {"present": 1, "absent": 1, "unknown": 2, "called": 4}


@pytest.mark.slow
def test_thresholds_come_from_validation_unless_the_table_says_what_was_called():
    predictions, target, p = table(unknown=0)
    metrics = scoring.evaluate(predictions, Multilabel(findings=FINDINGS, threshold="youden"), draws=50)
    validation = predictions.split == "validation"
    for point, k in zip(metrics["operating_points"], range(3)):
        false, true, limits = peer.roc_curve(target[validation, k], p[validation, k], drop_intermediate=False)
        assert point["threshold"] == pytest.approx(limits[np.argmax(true - false)], abs=1.1e-6)
        assert point["chosen_on"] == "validation"
    highest = scoring.evaluate(predictions, Multilabel(findings=FINDINGS), draws=50)
    for point, k in zip(highest["operating_points"], range(3)):
        truth, scores = target[validation, k], p[validation, k]
        reached = [peer.f1_score(truth, scores >= limit) for limit in scores]
        assert peer.f1_score(truth, scores >= point["threshold"]) == pytest.approx(max(reached))
    sets = ["|".join(n for n, there in zip(FINDINGS, row) if there) for row in target.astype(bool)]
    told = scoring.evaluate(predictions.with_columns({"set": sets}), Multilabel(findings=FINDINGS), draws=50)
    assert values(told)["exact_match"] == 1
    assert values(told)["auroc"] == values(metrics)["auroc"]


def test_co_occurrence_counts_pairs_that_are_known():
    predictions, target, _ = table()
    result = scoring.evaluate(predictions, Multilabel(findings=FINDINGS), draws=50)["co_occurrence"]
    test = target[predictions.split == "test"]
    assert result["target"][0][1] == int(((test[:, 0] == 1) & (test[:, 1] == 1)).sum())
    assert result["known"][0][2] == int((np.isfinite(test[:, 0]) & np.isfinite(test[:, 2])).sum())
    assert np.array_equal(result["target"], np.transpose(result["target"]))
    first = test[(test[:, 0] == 1) & np.isfinite(test[:, 2])]
    assert 0 < len(first) < (test[:, 0] == 1).sum(), "some with the first finding have no state of the third"
    assert result["target_known"][0][2] == len(first)
    assert result["target"][0][2] / result["target_known"][0][2] == pytest.approx((first[:, 2] == 1).mean())
    both = {"findings": ["A", "B"], "target": [[8, 3], [3, 4]], "target_known": [[8, 4], [4, 4]]}
    drawn = _co_occurrence(both | {f"prediction{k}": both[f"target{k}"] for k in ("", "_known")})
    cells = [cell.get_text() for cell in drawn.axes[0].texts]
    assert cells == ["8", "75", "75", "4"]


def test_the_order_of_findings_and_the_scale_of_probabilities_change_no_value():
    predictions, _, p = table()
    one = values(scoring.evaluate(predictions, Multilabel(findings=FINDINGS), draws=50))
    turned = values(scoring.evaluate(predictions, Multilabel(findings=FINDINGS[::-1]), draws=50))
    assert turned == pytest.approx(one, nan_ok=True)
    scaled = predictions.with_columns({f"p/{name}": p[:, k] ** 3 for k, name in enumerate(FINDINGS)})
    other = values(scoring.evaluate(scaled, Multilabel(findings=FINDINGS), draws=50))
    for name in ("auroc", "auprc", "exact_match", "hamming_loss", "f1_macro"):
        assert other[name] == pytest.approx(one[name])


def test_a_finding_that_is_unknown_everywhere_has_every_metric_undefined():
    predictions, _, _ = table()
    predictions = predictions.with_columns({"target/Rare": np.full(len(predictions), np.nan)})
    metrics = scoring.evaluate(predictions, Multilabel(findings=FINDINGS), draws=50)["metrics"]
    for name in ("recall", "specificity", "precision", "f1", "brier", "auroc", "auprc", "ece"):
        assert metrics[f"{name}/Rare"]["value"] is None, name
        assert "unknown in every sample" in metrics[f"{name}/Rare"]["reason"]


def test_a_finding_that_no_sample_has_is_undefined_and_left_out_of_the_mean():
    predictions, target, _ = table()
    predictions = predictions.with_columns({"target/Rare": np.where(np.isfinite(target[:, 2]), 0.0, np.nan)})
    evaluated = scoring.evaluate(predictions, Multilabel(findings=FINDINGS), draws=50)
    metrics = evaluated["metrics"]
    assert metrics["auroc/Rare"]["value"] is None
    assert metrics["auprc/Rare"]["reason"] == "undefined: Rare is not present in two subjects and absent in two"
    assert metrics["auroc"]["without"] == ["Rare"]
    assert metrics["auroc"]["value"] == pytest.approx(
        np.mean([metrics[f"auroc/{name}"]["value"] for name in FINDINGS[:2]])
    )
    assert metrics["recall/Rare"]["value"] is None
    assert "present in no sample" in metrics["recall/Rare"]["reason"]


def test_subgroups_baselines_and_calibration_are_there():
    metrics = scoring.evaluate(table()[0], Multilabel(findings=FINDINGS), draws=100)
    assert metrics["subgroups"]["sex"]["F"]["auroc"]["gap"]["value"] is not None
    assert metrics["baselines"]["prevalence"]["auroc"]["value"] == 0.5
    assert metrics["baselines"]["prevalence"]["auroc"]["difference"]["lower"] > 0.2
    assert "covariates" in metrics["baselines"]
    assert metrics["calibration"]["as_given"]["calibration_slope/Mass"]["value"] is not None
    assert metrics["headline"][0] == "auroc"


def test_a_finding_that_is_unknown_in_all_of_training_is_why_there_are_no_baselines():
    predictions, target, _ = table()
    unknown = np.where(predictions.split == "test", target[:, 2], np.nan)
    evaluated = scoring.evaluate(
        predictions.with_columns({"target/Rare": unknown}), Multilabel(findings=FINDINGS), draws=50
    )
    assert evaluated["baselines"] == {}
    assert evaluated["baselines_left_out"] == "Rare: unknown in every training sample"
    assert "baselines_left_out" not in scoring.evaluate(table()[0], Multilabel(findings=FINDINGS), draws=50)


@pytest.mark.parametrize("threshold", ["f1", "half"])
def test_calls_of_a_baseline_are_by_thresholds_chosen_as_those_of_the_model(threshold):
    predictions, target, _ = table()
    metrics = scoring.evaluate(predictions, Multilabel(findings=FINDINGS, threshold=threshold), draws=50)
    test, validation = (target[predictions.split == side] for side in ("test", "validation"))
    share = np.nanmean(test, axis=0)
    shares = np.nanmean(validation, axis=0)
    all_called = 2 * share / (1 + share)  # the highest F1 of one probability for all is that of calling all
    expected = np.where((threshold == "f1") | (shares >= 0.5), all_called, 0)
    assert metrics["baselines"]["prevalence"]["f1_macro"]["value"] == pytest.approx(expected.mean())


def test_without_named_findings_they_are_those_of_the_columns():
    predictions, _, _ = table()
    assert values(scoring.evaluate(predictions, scoring.settings_of("multilabel"), draws=50)) == values(
        scoring.evaluate(predictions, Multilabel(findings=FINDINGS), draws=50)
    )


def test_two_models_are_compared_though_some_findings_are_unknown():
    predictions, _, p = table()
    worse = predictions.with_columns({f"p/{n}": np.clip(1 - p[:, k], 0, 1) for k, n in enumerate(FINDINGS)})
    result = compare(worse, predictions, Multilabel(findings=FINDINGS), draws=100)
    assert result["primary"] == "auroc"
    assert result["decision"]["superior"]


def test_samples_are_joined_finding_by_finding():
    predictions, _, p = table(n=60, unknown=0)
    doubled = {name: np.repeat(column, 2) for name, column in predictions.columns.items()}
    doubled["sample_id"] = np.array([f"x{i}" for i in range(120)], dtype=object)
    shifted = {
        f"p/{n}": np.clip(np.repeat(p[:, k], 2) + np.tile([-0.01, 0.01], 60), 0, 1) for k, n in enumerate(FINDINGS)
    }
    settings = Multilabel(findings=FINDINGS, aggregate="mean")
    joined = scoring.joined_table(PredictionTable.make({**doubled, **shifted}), settings)
    assert len(joined) == 60
    order = [predictions.sample_id.tolist().index(f"x{s[1:]}") for s in joined.subject_id]
    assert joined.columns["p/Mass"] == pytest.approx(np.clip(p[order, 1], 0.005, 0.995), abs=0.006)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"target/Mass": ["perhaps"] * 240}, "column target/Mass: not 1, 0, or empty where unknown"),
        ({"p/Mass": np.full(240, 1.2)}, "column p/Mass: a probability lies between 0 and 1"),
        ({"set": ["Mass|Hernia"] * 240}, "column set: not of the findings Effusion, Mass, Rare"),
    ],
)
def test_faults_of_a_table_are_told(columns, message):
    with pytest.raises(PredictionsError, match=message.replace("|", "\\|")):
        scoring.evaluate(table()[0].with_columns(columns), Multilabel(findings=FINDINGS), draws=10)


def test_a_missing_column_is_told_with_the_nearest():
    with pytest.raises(PredictionsError, match="did you mean 'p/Effusion'"):
        scoring.evaluate(table()[0], Multilabel(findings=("Effusions",)), draws=10)


def test_pictures_and_words():
    import warnings

    from scantune.tasks import errors, figures

    predictions, _, _ = table()
    settings = Multilabel(findings=FINDINGS)
    metrics = scoring.evaluate(predictions, settings, draws=100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        drawn = figures.draw(predictions, settings, metrics)
    captions = part("multilabel", "figures").CAPTIONS
    assert set(captions) <= set(drawn)
    samples = errors.sample_errors(predictions, settings)
    wrong = errors.worst(samples)
    assert wrong
    assert wrong[0].size >= wrong[-1].size
    assert wrong[0].kind in ("missed", "false alarm", "missed and false alarm")
    notes = part("multilabel", "words").headline_notes(metrics)
    assert any("unknown" in note for note in notes)


def test_a_finding_with_too_few_of_one_state_has_no_interval_of_its_brier_score():
    """Nor has the mean over findings: its errors are in no sample."""
    n, rng = 40, np.random.default_rng(3)
    target = {"Common": np.arange(n) % 2, "Rare": np.where(np.arange(n) < 25, np.nan, 0.0)}
    columns = {f"target/{name}": states for name, states in target.items()}
    columns |= {f"p/{name}": rng.uniform(0.01, 0.4, n) for name in target}
    scores = scoring.evaluate(PredictionTable.make(columns), Multilabel(findings=tuple(target)), draws=1)
    metrics, common = scores["metrics"], scores["calibration"]["as_given"]["brier/Common"]
    assert metrics["brier/Common"]["lower"] is not None
    assert (common["lower"], common["upper"]) == (metrics["brier/Common"]["lower"], metrics["brier/Common"]["upper"])
    for name in ("brier", "brier/Rare"):
        assert metrics[name]["lower"] is None
        assert metrics[name]["reason"].startswith("no interval: 0 of 15 subjects are of the rarest class")
