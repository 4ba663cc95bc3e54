"""What every loss must do: finite gradients, any order of the batch, parts that add up, a minimum at the truth."""

import pytest
import torch

from scantune import losses
from scantune.losses import registry
from scantune.tasks.multilabel import losses as _  # noqa: F401  # registers masked_focal

GENERATOR = torch.Generator().manual_seed(7)
NUMBERS = (torch.randn(8, 1, generator=GENERATOR), torch.randint(0, 5, (8,), generator=GENERATOR).float())
CLASSES = (torch.randn(8, 3, generator=GENERATOR), torch.randint(0, 3, (8,), generator=GENERATOR))
ZONES = (torch.randn(8, 6, 5, generator=GENERATOR), torch.randint(0, 5, (8, 6), generator=GENERATOR))
BINARY = (torch.randn(8, 1, generator=GENERATOR), torch.randint(0, 2, (8,), generator=GENERATOR))
MASKS = (torch.randn(8, 1, 6, 6, generator=GENERATOR), torch.randint(0, 2, (8, 6, 6), generator=GENERATOR))
FREQUENCIES = {0: 5, 1: 2, 2: 1, 3: 4, 4: 9}

_FOCAL = {
    "numbers": "focal_regression",
    "classes": "focal_cross_entropy",
    "binary": "focal_bce",
    "findings": "masked_focal",
}

TABLE = [
    *((name, "numbers", NUMBERS, None) for name in registry.names("numbers")),
    *((name, "classes", CLASSES, 3) for name in ("cross_entropy", "weighted_cross_entropy", "focal")),
    *((name, "classes", ZONES, 5) for name in ("cross_entropy", "weighted_cross_entropy", "focal")),
    *((name, "binary", BINARY, None) for name in ("bce", "focal_bce")),
    *((name, ("binary", "masks"), MASKS, None) for name in ("dice", "jaccard", "bce", "focal_bce", "default", "focal")),
]


def _components(name, targets, classes):
    return losses.build(name, targets=targets, frequencies=FREQUENCIES, classes=classes).components.values()


@pytest.mark.parametrize(("name", "targets", "data", "classes"), TABLE)
def test_order_parts_and_gradient(name, targets, data, classes):
    output, target = data
    for loss in _components(name, targets, classes):
        whole = float(loss(output, target))
        order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
        assert float(loss(output[order], target[order])) == pytest.approx(whole, rel=1e-5)
        parts = [(output[:3], target[:3]), (output[3:], target[3:])]
        total, weight = sum(loss.total(*part) for part in parts), sum(loss.weight(part[1]) for part in parts)
        assert float(total / weight) == pytest.approx(whole, rel=1e-5)
        leaf = output.clone().requires_grad_()
        loss(leaf, target).backward()
        assert torch.isfinite(leaf.grad).all()
        assert leaf.grad.abs().sum() > 0


@pytest.mark.parametrize(("name", "targets", "data", "classes"), TABLE)
@pytest.mark.parametrize("size", [0.0, 1e4])
def test_gradients_stay_finite_at_zero_and_far_out(name, targets, data, classes, size):
    output, target = data
    for loss in _components(name, targets, classes):
        leaf = (torch.sign(output) * size).requires_grad_()
        loss(leaf, target).backward()
        assert torch.isfinite(leaf.grad).all()


@pytest.mark.parametrize("name", registry.names("numbers"))
def test_a_perfect_regression_costs_nothing_and_has_a_finite_gradient(name):
    target = torch.tensor([0.0, 1.0, 2.0])
    leaf = target.clone().requires_grad_()
    (loss,) = _components(name, "numbers", None)
    value = loss(leaf, target)
    value.backward()
    assert value.item() == 0.0
    assert torch.isfinite(leaf.grad).all()


@pytest.mark.parametrize("name", registry.names("numbers"))
def test_regression_losses_do_not_change_with_a_shift_of_both(name):
    output, target = NUMBERS
    frequencies = {value + 3: count for value, count in FREQUENCIES.items()}
    (loss,) = _components(name, "numbers", None)
    (moved,) = losses.build(name, targets="numbers", frequencies=frequencies).components.values()
    assert float(moved(output + 3, target + 3)) == pytest.approx(float(loss(output, target)), rel=1e-5)


def test_nothing_is_drawn_from_the_global_random_state():
    before = torch.random.get_rng_state()
    for name, targets, (output, target), classes in TABLE:
        for loss in _components(name, targets, classes):
            loss(output, target)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("gamma", [0.5, 1.0, 1.5, 3.0])
def test_the_gradient_of_focal_losses_is_finite_where_an_output_is_perfect(gamma):
    cases = {
        "numbers": (torch.tensor([[1.0], [2.0]]), torch.tensor([1.0, 1.0])),
        "classes": (torch.tensor([[300.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])),
        "binary": (torch.tensor([[-300.0], [1.0]]), torch.tensor([0, 1])),
        "findings": (torch.tensor([[[300.0], [-300.0], [1.0]]]), torch.tensor([[1, 0, 1]])),
    }
    for kind, (output, target) in cases.items():
        logits = output.clone().requires_grad_()
        losses.build({"name": _FOCAL[kind], "gamma": gamma}, targets=kind)(logits, target).backward()
        assert torch.isfinite(logits.grad).all(), kind
        assert logits.grad.flatten()[-1] != 0, kind
