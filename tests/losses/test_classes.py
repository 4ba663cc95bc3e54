"""Losses of classes against formulas written out, PyTorch's own and the published number."""

import pytest
import torch
from torch.nn import functional

from scantune import losses
from scantune.records import ScantuneError

UNGRADABLE = [1, 1, 1, 1, 0.3]


@pytest.fixture
def logits():
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def target():
    return torch.tensor([0, 1, 2, 3, 1, 1])


def test_weighted_cross_entropy_of_the_published_example():
    logits = torch.tensor([[2.0, 0, 0, 0, 0]] * 2)
    loss = losses.build({"name": "weighted_cross_entropy", "class_weights": UNGRADABLE})
    assert loss(logits, torch.tensor([0, 4])).item() == pytest.approx(0.89419, abs=5e-6)


def test_the_example_as_zones_of_one_image_with_the_weight_of_the_ungradable_class():
    logits = torch.tensor([[[2.0, 0, 0, 0, 0]] * 2])  # [B, Z, K]
    loss = losses.build({"name": "weighted_cross_entropy", "unknown_weight": 0.3}, targets="classes", classes=5)
    assert loss(logits, torch.tensor([[0, 4]])).item() == pytest.approx(0.89419, abs=5e-6)


def test_numerators_and_denominators_of_parts_add_up_to_the_whole_batch():
    logits = torch.tensor([[2.0, 0, 0, 0, 0]] * 2)
    target = torch.tensor([0, 4])
    loss = losses.build({"name": "weighted_cross_entropy", "class_weights": UNGRADABLE}).components
    loss = loss["weighted_cross_entropy"]
    totals = sum(loss.total(logits[i : i + 1], target[i : i + 1]) for i in range(2))
    weights = sum(loss.weight(target[i : i + 1]) for i in range(2))
    assert float(totals / weights) == pytest.approx(0.89419, abs=5e-6)
    means = sum(loss(logits[i : i + 1], target[i : i + 1]) for i in range(2)) / 2
    assert float(means) == pytest.approx(1.433, abs=1e-3)  # what a mean of means would be


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_weighted_cross_entropy_is_pytorchs(logits, target, smoothing):
    weights = [0.5, 2.0, 1.0, 0.1]
    spec = {"name": "weighted_cross_entropy", "class_weights": weights, "label_smoothing": smoothing}
    expected = functional.cross_entropy(logits, target, weight=torch.tensor(weights), label_smoothing=smoothing)
    assert losses.build(spec)(logits, target).item() == pytest.approx(expected.item(), rel=1e-5)


def test_label_smoothing_is_the_cross_entropy_with_softened_targets(logits, target):
    soft = functional.one_hot(target, 4) * 0.8 + 0.2 / 4
    expected = -(soft * logits.log_softmax(1)).sum(1).mean()
    smoothed = losses.build({"name": "cross_entropy", "label_smoothing": 0.2})(logits, target)
    assert smoothed.item() == pytest.approx(expected.item(), rel=1e-6)


def test_focal_is_the_formula_and_without_gamma_the_cross_entropy(logits, target):
    p = logits.softmax(1)[torch.arange(6), target]
    focal = losses.build("focal", targets="classes")(logits, target)
    assert focal.item() == pytest.approx((-((1 - p) ** 2) * p.log()).mean().item(), rel=1e-5)
    plain = losses.build({"name": "focal", "gamma": 0}, targets="classes")(logits, target)
    assert plain.item() == pytest.approx(functional.cross_entropy(logits, target).item(), rel=1e-6)


def test_balanced_weights_are_by_the_frequencies_in_training(logits, target):
    loss = losses.build(
        {"name": "weighted_cross_entropy", "class_weights": "balanced"}, frequencies={0: 10, 1: 30, 2: 20}, classes=4
    )
    assert loss.components["weighted_cross_entropy"].options["class_weights"] == [2.0, 60 / 90, 1.0, 0.0]


def test_class_weights_make_a_cross_entropy_a_weighted_one(logits, target):
    loss = losses.build({"name": "cross_entropy", "class_weights": [1, 2, 3, 4]}, targets="classes", classes=4)
    expected = functional.cross_entropy(logits, target, weight=torch.tensor([1.0, 2, 3, 4]))
    assert loss(logits, target).item() == pytest.approx(expected.item(), rel=1e-6)


def test_dense_logits_have_the_classes_second():
    logits = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(1))
    target = torch.randint(0, 3, (2, 5, 4), generator=torch.Generator().manual_seed(2))
    loss = losses.build("cross_entropy", targets="classes")
    assert loss(logits, target).item() == pytest.approx(functional.cross_entropy(logits, target).item(), rel=1e-6)


def test_wrong_shapes_and_unweighted_classes_are_named(logits, target):
    with pytest.raises(ScantuneError, match="are incompatible with class numbers"):
        losses.build("cross_entropy")(logits, target[:3])
    with pytest.raises(ScantuneError, match="2 class_weights for logits of 4 classes"):
        losses.build({"name": "weighted_cross_entropy", "class_weights": [1, 1]})(logits, target)
    with pytest.raises(ScantuneError, match="2 class_weights for 5 classes"):
        losses.build({"name": "weighted_cross_entropy", "class_weights": [1, 1]}, classes=5)
