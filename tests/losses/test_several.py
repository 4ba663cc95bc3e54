"""A loss of several targets: the mean over what is known, in units of each target's spread; against loops by hand."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch.nn import functional

from scantune import losses

SCALES = [10.0, 0.5]


def training(n=40, seed=0):
    rng = np.random.default_rng(seed)
    targets = np.stack([np.round(rng.normal(50, 10, n)), np.round(rng.normal(3, 0.5, n), 1)], axis=1)
    targets[rng.random(targets.shape) < 0.3] = np.nan
    return targets.astype(np.float32)


def built(spec, targets):
    def build(column):
        return losses.build(spec, targets=("numbers",), frequencies=dict(Counter(column.tolist())))

    return losses.by_target(build, targets, SCALES)


def batch(targets, rows=slice(0, 8)):
    target = torch.from_numpy(targets[rows])
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(1))
    output = torch.nan_to_num(target, nan=7.0) + noise * torch.tensor(SCALES)
    return output.requires_grad_(), target


@pytest.mark.parametrize("spec", ["mse", {"name": "huber", "delta": 0.5}, "l1"])
def test_it_is_the_mean_over_what_is_known_in_standard_units(spec):
    output, target = batch(training())
    loss = built(spec, training())(output, target)
    formulas = {"mse": functional.mse_loss, "l1": functional.l1_loss}
    formula = formulas[spec] if isinstance(spec, str) else lambda a, b: functional.huber_loss(a, b, delta=0.5)
    known, scales = torch.isfinite(target), torch.tensor(SCALES)
    expected = formula((output / scales)[known], (target / scales)[known])
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    loss.backward()
    assert torch.isfinite(output.grad).all()
    assert (output.grad[~known] == 0).all()


def test_a_target_s_unit_does_not_change_the_loss():
    targets = training()
    output, target = batch(targets)
    days = torch.tensor([365.25, 1.0])
    one = built("mse", targets)(output, target)
    other = losses.by_target(
        lambda _: losses.build("mse", targets=("numbers",)), targets * days.numpy(), [10.0 * 365.25, 0.5]
    )(output * days, target * days)
    assert one.item() == pytest.approx(other.item(), rel=1e-5)


def test_parts_of_a_batch_add_up_and_one_without_any_target_weighs_nothing():
    targets = training()
    for spec in ("mse", "weighted_mse"):
        (loss,) = built(spec, targets).components.values()
        output, target = batch(targets)
        total = sum(loss.total(output[i : i + 2], target[i : i + 2]) for i in range(0, 8, 2))
        weight = sum(loss.weight(target[i : i + 2]) for i in range(0, 8, 2))
        assert (total / weight).item() == pytest.approx(loss(output, target).item(), rel=1e-5)
        nothing = torch.full((2, 2), float("nan"))
        assert loss.weight(nothing).item() == 0
        assert loss.total(output[:2], nothing).item() == 0


def test_a_loss_with_weights_counts_each_target_by_its_samples():
    targets = training(200)
    (loss,) = built("weighted_mse", targets).components.values()
    whole = torch.from_numpy(targets)
    assert loss.weight(whole).item() == pytest.approx(np.isfinite(targets).sum(), rel=1e-5)


def test_distillation_is_in_the_same_units():
    class Teacher(torch.nn.Module):
        def forward(self, x):
            return torch.tensor([[50.0, 3.0]]).expand(len(x), 2)

    term = losses.Distillation(Teacher(), values=True, scale=SCALES)
    output = torch.tensor([[60.0, 3.5]]).expand(4, 2)
    assert term.total(Teacher(), {"input": torch.zeros(4, 1)}, output).item() == pytest.approx(4.0)
