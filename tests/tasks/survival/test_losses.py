"""Cox's partial likelihood and the likelihood of discrete hazards, against independent formulas."""

import itertools

import numpy as np
import pytest
import torch

from scantune import losses
from scantune.records import ScantuneError
from scantune.tasks.survival import losses as survival_losses
from scantune.tasks.survival.estimators import fit_cox
from tests.tasks.survival import worked


def targets(time, event):
    return torch.tensor(np.stack([time, event], axis=1), dtype=torch.float64)


def the_loss(name, **options):
    (loss,) = losses.build({"name": name, **options}, targets="times").components.values()
    return loss


def test_cox_at_the_fitted_coefficient_is_lifelines_log_likelihood():
    output = torch.tensor(worked.COX * worked.RISK)[:, None]
    target = targets(worked.TIME, worked.EVENT)
    loss = the_loss("cox")
    assert float(loss.total(output, target)) == pytest.approx(-worked.COX_LOG_LIKELIHOOD, abs=1e-6)
    assert float(loss.weight(target)) == worked.EVENT.sum()
    value = fit_cox(worked.WEEKS, worked.RELAPSED, worked.PLACEBO[:, None])
    result = loss.total(
        torch.tensor(value.coefficients[0] * worked.PLACEBO)[:, None], targets(worked.WEEKS, worked.RELAPSED)
    )
    assert float(result) == pytest.approx(-value.log_likelihood, abs=1e-9)


def test_cox_without_ties_by_hand():
    output, target = torch.tensor([[0.2], [1.0], [-0.5]]), torch.tensor([[1.0, 1], [2, 1], [3, 0]])
    a, b, c = np.exp([0.2, 1.0, -0.5])
    expected = [-np.log(a / (a + b + c)), -np.log(b / (b + c)), 0]
    np.testing.assert_allclose(survival_losses.cox(output, target).numpy(), expected, rtol=1e-5)


def test_efron_of_two_ties_by_hand():
    output, target = torch.tensor([[0.2], [1.0], [-0.5]]), torch.tensor([[1.0, 1], [1, 1], [1, 0]])
    a, b, c = np.exp([0.2, 1.0, -0.5])
    expected = -np.log(a / (a + b + c) * b / (a + b + c - (a + b) / 2))
    assert float(survival_losses.cox(output, target).sum()) == pytest.approx(expected, rel=1e-5)


def test_cox_has_a_finite_gradient_however_far_apart_and_without_events():
    for spread, events in itertools.product((1.0, 300.0), (1, 0)):
        output = (torch.randn(12, 1, generator=torch.Generator().manual_seed(0)) * spread).requires_grad_()
        target = torch.stack([torch.arange(12) // 3, torch.arange(12) % 2 * events], 1).float()
        value = the_loss("cox").total(output, target)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(output.grad).all()
        assert (output.grad != 0).any() == bool(events)


def test_cox_gradient_is_that_of_differences():
    output = torch.tensor(worked.RISK, dtype=torch.float64)[:, None].requires_grad_()
    target = targets(worked.TIME, worked.EVENT)
    assert torch.autograd.gradcheck(lambda x: the_loss("cox").total(x, target), output)


def test_discrete_hazards_by_hand():
    logits = torch.tensor([[-1.0, 0.5, 2.0]]).repeat(5, 1).requires_grad_()
    h = 1 / (1 + np.exp([1.0, -0.5, -2.0]))
    # event in the second interval; at the end of the first; beyond all; censored past the second's middle; before the
    # first's
    target = torch.tensor([[3.0, 1], [2, 1], [9, 1], [3.1, 0], [0.9, 0]])
    expected = [
        -np.log((1 - h[0]) * h[1]),
        -np.log(h[0]),
        -np.log(np.prod(1 - h)),
        -np.log((1 - h[0]) * (1 - h[1])),
        0.0,
    ]
    for output in (logits, logits[..., None]):
        result = survival_losses.discrete_hazard(output, target, cuts=[2.0, 4.0, 6.0])
        np.testing.assert_allclose(result.detach().numpy(), expected, rtol=1e-5, atol=1e-7)
    result.sum().backward()
    assert torch.isfinite(logits.grad).all()


def test_another_number_of_intervals_is_refused():
    with pytest.raises(ScantuneError, match="3 intervals need as many outputs"):
        survival_losses.discrete_hazard(torch.zeros(2, 4), torch.ones(2, 2), cuts=[1, 2, 3])
