"""Case mix, intersections, fairness and other prevalences, by hand."""

import numpy as np
import pytest
from sklearn import metrics as peer

from scantune.records import ScantuneError
from scantune.statistics.discrimination import area_statistic
from scantune.tasks import directions
from scantune.tasks.casemix import weights
from scantune.tasks.classification.settings import Classification
from scantune.tasks.multilabel.settings import Multilabel
from scantune.tasks.plan import reweighted
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.regression.settings import Regression
from scantune.tasks.scoring import evaluate


def table(n=240, seed=0):
    """Women are called positive more often, and their probabilities are too high."""
    rng = np.random.default_rng(seed)
    woman = np.arange(n) % 3 == 0
    y = rng.random(n) < 0.4
    score = 1.5 * y + 0.8 * woman + rng.normal(size=n) - 0.75
    p = 1 / (1 + np.exp(-score))
    columns = {"sample_id": [f"x{i}" for i in range(n)], "target": y.astype(int), "p/0": 1 - p, "p/1": p}
    return PredictionTable.make(
        columns | {"sex": np.where(woman, "F", "M"), "site": np.where(np.arange(n) % 2, "a", "b")}
    ), (woman, y, p)


def test_groups_are_compared_by_calls_errors_and_calibration():
    made, (woman, y, p) = table()
    result = evaluate(made, Classification(), draws=50)["fairness"]["sex"]
    called = p > 0.5
    women = result["levels"]["F"]
    assert women["positive_rate"]["value"] == pytest.approx(called[woman].mean())
    assert women["recall"]["value"] == pytest.approx(called[woman & y].mean())
    assert women["false_positive_rate"]["value"] == pytest.approx(called[woman & ~y].mean())
    assert women["calibration_difference"]["value"] == pytest.approx(p[woman].mean() - y[woman].mean())
    gap = result["differences"]["positive_rate"]
    assert gap["levels"] == ["F", "M"]
    assert gap["value"] == pytest.approx(called[woman].mean() - called[~woman].mean())
    assert gap["lower"] < gap["value"] < gap["upper"]
    assert gap["p_holm"] >= gap["p_value"]
    rates = [abs(result["differences"][name]["value"]) for name in ("recall", "false_positive_rate")]
    assert abs(result["differences"]["equalized_odds"]["value"]) == max(rates)


def three_classes(n=360, seed=1):
    rng = np.random.default_rng(seed)
    woman, y = np.arange(n) % 2 == 0, rng.integers(0, 3, n)
    score = rng.normal(size=(n, 3))
    score[np.arange(n), y] += 1.2
    score[woman, 2] += 0.8  # women are called c too often
    p = np.exp(score) / np.exp(score).sum(1, keepdims=True)
    columns = {"target": np.array(list("abc"))[y], "sex": np.where(woman, "F", "M")}
    return PredictionTable.make(columns | {f"p/{c}": p[:, k] for k, c in enumerate("abc")}), (woman, y, p)


def test_several_classes_are_each_compared_with_the_rest():
    made, (woman, y, p) = three_classes()
    settings = Classification(prevalences=(0.1,))
    metrics = evaluate(made, settings, draws=50)
    of_c = metrics["fairness"]["sex"]["by_class"]["c"]
    called = p.argmax(1) == 2
    assert set(metrics["fairness"]["sex"]["by_class"]) == set("abc")
    assert of_c["levels"]["F"]["positive_rate"]["value"] == pytest.approx(called[woman].mean())
    assert of_c["levels"]["M"]["false_positive_rate"]["value"] == pytest.approx(called[~woman & (y != 2)].mean())
    gap = of_c["differences"]["positive_rate"]
    assert gap["value"] == pytest.approx(called[woman].mean() - called[~woman].mean())
    assert gap["p_value"] < 0.05
    entries = [e for part in metrics["fairness"]["sex"]["by_class"].values() for e in part["differences"].values()]
    tested = [e for e in entries if e["p_value"] is not None]
    assert len(tested) == 15  # three classes, five metrics; equalized odds is one of them
    least = min(tested, key=lambda e: e["p_value"])
    assert least["p_holm"] == pytest.approx(min(1, 15 * least["p_value"]))
    se, sp = called[y == 2].mean(), (~called)[y != 2].mean()
    at = metrics["prevalence"]["0.1"]["by_class"]["c"]["figures"]
    assert at["precision"]["value"] == pytest.approx(se * 0.1 / (se * 0.1 + (1 - sp) * 0.9))
    assert at["npv"]["value"] == pytest.approx(sp * 0.9 / (sp * 0.9 + (1 - se) * 0.1))


def test_findings_are_compared_where_they_are_known():
    rng = np.random.default_rng(3)
    n = 200
    y, woman = rng.random(n) < 0.4, np.arange(n) % 2 == 0
    p = 1 / (1 + np.exp(-(2 * y - 1 + rng.normal(size=n))))
    known = np.arange(n) % 5 > 0
    columns = {"target/mass": [str(int(v)) if k else "" for v, k in zip(y, known, strict=True)], "p/mass": p}
    columns |= {"target/nodule": (~y).astype(int), "p/nodule": 1 - p, "sex": np.where(woman, "F", "M")}
    settings = Multilabel(findings=("mass", "nodule"), threshold="half", prevalences=(0.02,))
    metrics = evaluate(PredictionTable.make(columns), settings, draws=50)
    women = metrics["fairness"]["sex"]["by_class"]["mass"]["levels"]["F"]
    assert women["recall"]["value"] == pytest.approx((p >= 0.5)[woman & known & y].mean())
    assert women["recall"]["n"] == (woman & known & y).sum()
    assert metrics["prevalence"]["0.02"]["by_class"]["mass"]["figures"]["precision"]["value"] < 0.2


def test_intersections_have_enough_subjects_each():
    made, (woman, _, _) = table()
    result = evaluate(made, Classification(), draws=50, min_group=50)["intersections"]["sex × site"]
    assert set(result) == {"M × a", "M × b"}  # 80 each; 40 women each
    assert result["M × a"]["auroc"]["n"] == (~woman & (np.arange(240) % 2 == 1)).sum()
    assert "intersections" not in evaluate(made, Classification(), draws=50, min_group=100)


def test_predictive_values_at_another_prevalence_are_those_of_bayes():
    made, (_, y, p) = table()
    called = p > 0.5
    se, sp = called[y].mean(), (~called)[~y].mean()
    metrics = evaluate(made, Classification(prevalences=(0.05, float(y.mean()))), draws=50)
    low, here = metrics["prevalence"].values()
    assert low["figures"]["precision"]["value"] == pytest.approx(se * 0.05 / (se * 0.05 + (1 - sp) * 0.95))
    assert low["figures"]["npv"]["value"] == pytest.approx(sp * 0.95 / (sp * 0.95 + (1 - se) * 0.05))
    assert low["figures"]["precision"]["lower"] < low["figures"]["precision"]["value"]
    assert here["figures"]["precision"]["value"] == pytest.approx(metrics["metrics"]["precision"]["value"])
    at = np.flatnonzero(np.isclose(here["decision"]["threshold"], 0.3))[0]
    same = metrics["curves"]["decision"]["value"][at]
    assert here["decision"]["value"][at] == pytest.approx(same)
    net = 0.05 * (p[y] >= 0.3).mean() - 0.95 * (p[~y] >= 0.3).mean() * 0.3 / 0.7
    assert low["decision"]["value"][at] == pytest.approx(net)


def test_a_case_mix_weights_the_rows():
    made, (woman, y, p) = table()
    mix = {"sex": {"F": 0.5, "M": 0.5}}
    result = evaluate(made, Classification(), draws=50, case_mix=mix)["standardised"]
    right = (p > 0.5) == y
    assert result["figures"]["accuracy"]["value"] == pytest.approx((right[woman].mean() + right[~woman].mean()) / 2)
    w = np.where(woman, 1.5, 0.75)
    assert result["effective_samples"] == pytest.approx(w.sum() ** 2 / (w**2).sum())
    as_is = {"sex": {"F": 1 / 3, "M": 2 / 3}}
    plain = evaluate(made, Classification(), draws=50, case_mix=as_is)
    for name in ("auroc", "auprc", "brier", "f1"):
        assert plain["standardised"]["figures"][name]["value"] == pytest.approx(plain["metrics"][name]["value"])


def test_several_columns_are_raked_and_a_mix_that_does_not_fit_is_refused():
    labels = {"a": np.array(["x", "x", "y", "y", "y", "x"]), "b": np.array(["1", "2", "1", "2", "1", "1"])}
    rows = np.arange(6)
    w = weights(labels, rows, {"a": {"x": 0.7, "y": 0.3}, "b": {"1": 0.5, "2": 0.5}})
    assert w.mean() == pytest.approx(1)
    assert w[labels["a"] == "x"].sum() / 6 == pytest.approx(0.7)
    assert w[labels["b"] == "1"].sum() / 6 == pytest.approx(0.5)
    for mix, message in (
        ({"c": {"x": 1.0}}, "no grouping column 'c'; there are a, b"),
        ({"a": {"x": 0.5, "z": 0.5}}, "z is no level of the tested rows; the levels are x, y"),
        ({"a": {"x": 1.0}}, "y has no share"),
        ({"a": {"x": 0.5, "y": 0.4}}, "must be 0 or more and sum to one"),
    ):
        with pytest.raises(ScantuneError, match=message):
            weights(labels, rows, mix)


def test_of_a_number_too():
    rng = np.random.default_rng(0)
    target = rng.normal(10, 3, 120)
    sex = np.array(["F", "M"])[(np.arange(120) % 3 == 0).astype(int)]
    error = np.where(sex == "F", 1.0, 3.0)
    made = PredictionTable.make({"target": target, "prediction": target + error, "sex": sex})
    result = evaluate(made, Regression(), draws=50, case_mix={"sex": {"F": 0.5, "M": 0.5}})["standardised"]
    assert result["figures"]["mae"]["value"] == pytest.approx(2.0)
    assert result["figures"]["mae"]["n_subjects"] == 120


def columns_of(task, n=90):
    """Columns of a task's predictions of ``n`` samples; the first third, to be rare, has the highest probabilities."""
    rng = np.random.default_rng(3)
    y = rng.random(n) < 0.4
    p = np.clip(np.where(y, 0.4, 0.3) + 0.4 * (np.arange(n) < 30) + rng.normal(size=n) * 0.1, 0.01, 0.99).round(3)
    if task == "classification":
        return {"target": y.astype(int), "p/0": 1 - p, "p/1": p}
    if task == "multilabel":
        return {"target/a": y.astype(int), "p/a": p, "target/b": (~y).astype(int), "p/b": p[::-1]}
    return {"target": rng.normal(10, 3, n).round(1), "prediction": rng.normal(10, 3, n).round(1)}


@pytest.mark.parametrize(
    ("task", "settings"),
    [
        ("classification", Classification()),
        ("multilabel", Multilabel(findings=("a", "b"), threshold="half")),
        ("regression", Regression()),
    ],
)
def test_weights_below_one_give_the_metrics_of_a_table_with_the_other_rows_repeated(task, settings):
    columns = {name: np.asarray(values) for name, values in columns_of(task).items()}
    rare = np.arange(90) < 30
    once = PredictionTable.make(columns | {"site": np.where(rare, "rare", "usual")})
    mixed = evaluate(once, settings, draws=50, case_mix={"site": {"rare": 1 / 33, "usual": 32 / 33}})["standardised"]
    often = np.repeat(np.arange(90), np.where(rare, 1, 16))
    repeated = evaluate(
        PredictionTable.make({name: values[often] for name, values in columns.items()}), settings, draws=50
    )
    for name, figure in mixed["figures"].items():
        if name not in ("ece", "icc_2_1"):  # these go by the rows as they are: bins of as many, degrees of freedom
            assert figure["value"] == pytest.approx(repeated["metrics"][name]["value"], rel=1e-6), name


def test_a_low_prevalence_leaves_the_predictive_value_of_calls_that_are_all_right():
    y = np.arange(60) < 20
    p = np.where(y, 0.9, 0.1)
    made = PredictionTable.make({"target": y.astype(int), "p/0": 1 - p, "p/1": p})
    low = evaluate(made, Classification(prevalences=(0.001,)), draws=50)["prevalence"]["0.001"]["figures"]
    assert low["precision"]["value"] == low["npv"]["value"] == 1


def test_weights_below_one_change_no_figure_to_undefined():
    y = np.arange(60) % 2
    p = np.where((y == 1) & (np.arange(60) < 20), 0.9, 0.1)  # 10 of 30 are called, all rightly
    made = PredictionTable.make({"target": y, "p/1": p, "site": np.where(np.arange(60) < 50, "a", "b")})
    rare = evaluate(made, Classification(prevalences=(0.01,)), draws=50)["prevalence"]["0.01"]["figures"]
    assert rare["precision"]["value"] == 1  # 10 weigh 0.2 together
    mix = {"site": {"a": 0.999, "b": 0.001}}
    standard = evaluate(made, Classification(), draws=50, case_mix=mix)["standardised"]["figures"]
    w = np.where(np.arange(60) < 50, 0.999 / 50, 0.001 / 10)
    assert standard["f1"]["value"] == pytest.approx(peer.f1_score(y, p > 0.5, sample_weight=w))
    assert standard["auprc"]["value"] == pytest.approx(peer.average_precision_score(y, p, sample_weight=w))


@pytest.mark.parametrize("seed", range(5))
def test_weighted_areas_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    score, positive, w = np.round(rng.random(12), 1), rng.random(12) < 0.5, rng.uniform(0.02, 2, 12)
    statistic = area_statistic(score, positive, np.arange(12))
    areas = reweighted(statistic, w[statistic.rows]).figures(np.ones((12, 1)))
    assert areas["auroc"][0] == pytest.approx(peer.roc_auc_score(positive, score, sample_weight=w))
    assert areas["auprc"][0] == pytest.approx(peer.average_precision_score(positive, score, sample_weight=w))


def test_a_custom_metric_takes_no_weights(monkeypatch):
    monkeypatch.setattr(directions, "CUSTOM", {})
    directions.metric("rows", mode="max", tasks=["classification"])(lambda reference, prediction: len(reference))
    made, (woman, *_) = table()
    halves = {"sex": {"F": 0.5, "M": 0.5}}
    metrics = evaluate(made, Classification(), draws=20, case_mix=halves)
    assert metrics["metrics"]["rows"]["value"] == len(woman)
    standard = metrics["standardised"]["figures"]["rows"]
    assert (standard["value"], standard["reason"]) == (None, "undefined: a custom metric takes samples, not weights")
