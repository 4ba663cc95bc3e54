import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as peer

from scantune.statistics.confusion import confusion_statistic, counts, figures_of, shares_of
from scantune.statistics.ordinal import kappa, kappa_cells, kappas, kappas_of_cells
from scantune.statistics.resampling import Resampler

labelled = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


@settings(deadline=None, max_examples=80)
@given(labelled)
def test_equal_scikit_learn(rows):
    target, prediction = np.array(rows).T
    result = figures_of(counts(target, prediction, 4), "abcd")
    assert result["accuracy"] == pytest.approx(peer.accuracy_score(target, prediction))
    assert result["f1_macro"] == pytest.approx(peer.f1_score(target, prediction, average="macro"))
    assert result["f1_weighted"] == pytest.approx(peer.f1_score(target, prediction, average="weighted"))
    each = peer.precision_recall_fscore_support(target, prediction, labels=range(4), zero_division=np.nan)
    for k, name in enumerate("abcd"):
        assert result[f"precision/{name}"] == pytest.approx(each[0][k], nan_ok=True)
        assert result[f"recall/{name}"] == pytest.approx(each[1][k], nan_ok=True)
    recalls = each[1][np.isin(range(4), target)]
    assert result["balanced_accuracy"] == pytest.approx(recalls.mean())
    if len(set(target)) > 1 and len(set(prediction)) > 1:
        assert result["mcc"] == pytest.approx(peer.matthews_corrcoef(target, prediction))
    else:
        assert math.isnan(result["mcc"])


@settings(deadline=None, max_examples=60)
@given(labelled)
def test_kappas_equal_scikit_learn(rows):
    target, prediction = np.array(rows).T
    result = kappas(counts(target, prediction, 4))
    if len({*target, *prediction}) == 1:
        assert math.isnan(result["kappa"])
        return
    for name, weights in (("kappa", None), ("kappa_linear", "linear"), ("kappa_quadratic", "quadratic")):
        expected = peer.cohen_kappa_score(target, prediction, weights=weights, labels=range(4))
        assert result[name] == pytest.approx(expected, nan_ok=True, abs=1e-12)
        assert kappa(counts(target, prediction, 4), name).value == pytest.approx(float(result[name]), nan_ok=True)


def test_a_class_never_predicted_has_no_precision_but_f1_zero():
    result = figures_of(np.array([[3, 0], [2, 0]]), ["no", "yes"], positive=1)
    assert math.isnan(result["precision"])
    assert (result["recall"], result["f1"], result["specificity"]) == (0, 0, 1)
    assert math.isnan(result["mcc"])


def test_kappa_is_symmetric_and_does_not_know_the_number_of_items():
    table = np.random.default_rng(0).integers(0, 9, (4, 4))
    assert kappa(table, "kappa_linear").value == pytest.approx(kappa(table.T, "kappa_linear").value)
    assert kappa(table * 7).value == pytest.approx(kappa(table).value)
    assert kappa(table * 4).ase == pytest.approx(kappa(table).ase / 2)
    assert kappa(np.eye(4) * 5, "kappa_quadratic").value == 1


def test_ase_of_kappa_is_the_spread_of_samples():
    rng = np.random.default_rng(1)
    cells = np.array([[0.3, 0.1, 0.02], [0.08, 0.2, 0.05], [0.01, 0.04, 0.2]])
    tables = rng.multinomial(300, cells.ravel(), size=4000).reshape(-1, 3, 3)
    for name, values in kappas(tables).items():
        assert kappa(cells * 300, name).ase == pytest.approx(values.std(), rel=0.05)


def test_resampled_counts_are_those_of_the_rows():
    rng = np.random.default_rng(2)
    target, prediction = rng.integers(0, 2, 60), rng.integers(0, 2, 60)
    resampler = Resampler(np.arange(60), 30, 3)
    result = resampler.run([confusion_statistic(target, prediction, ["no", "yes"], np.arange(60), 1)])[0]
    taken = np.repeat(np.arange(60), resampler.weights(0)[:, 11].astype(int))
    assert result["f1"].draws[11] == pytest.approx(peer.f1_score(target[taken], prediction[taken]))


@settings(deadline=None, max_examples=40)
@given(labelled)
def test_sums_of_the_margins_give_what_the_matrix_gives(rows):
    target, prediction = np.array(rows).T
    matrix, every = counts(target, prediction, 4), np.arange(len(target))
    statistic = confusion_statistic(target, prediction, "abcd", every, 2)
    sums = statistic.features.sum(0)
    for name, value in figures_of(matrix, "abcd", 2).items():
        assert statistic.figures(sums)[name] == pytest.approx(float(value), nan_ok=True), name
    for name, pairs in shares_of(matrix, "abcd", 2).items():
        np.testing.assert_array_equal(statistic.shares(sums)[name], pairs, err_msg=name)
    of_cells = kappas_of_cells(kappa_cells(target, prediction, 4).sum(0))
    for name, value in kappas(matrix).items():
        assert of_cells[name] == pytest.approx(float(value), nan_ok=True, abs=1e-12), name


def test_many_classes_fit_into_memory():
    """Of 1,000 classes each sample has 3,000 numbers, where a cell for each pair of classes would be 8 MB a sample."""
    rng = np.random.default_rng(0)
    target, prediction = rng.integers(0, 1000, 2000), rng.integers(0, 1000, 2000)
    prediction[:1500] = target[:1500]
    statistic = confusion_statistic(target, prediction, [str(k) for k in range(1000)], np.arange(2000))
    assert statistic.features.nbytes + kappa_cells(target, prediction, 1000).nbytes < 100e6
    values = Resampler(np.arange(2000), 0).run([statistic], draws=False)[0]
    assert values["accuracy"].value == pytest.approx((target == prediction).mean())
    assert values["f1_macro"].value == pytest.approx(peer.f1_score(target, prediction, average="macro"))
    assert values["mcc"].value == pytest.approx(peer.matthews_corrcoef(target, prediction))
