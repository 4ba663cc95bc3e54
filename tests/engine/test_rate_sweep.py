"""Learning-rate finder: the losses are those of a bare loop at rising rates, and nothing else changes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from scantune import engine
from scantune.engine import samplers
from scantune.engine.rate_sweep import smooth, suggested_rate
from scantune.records import ScantuneError
from tests.engine.toy import Numbers, Squared, Sum, network


def _sweep(seed: int = 0, **options: Any) -> engine.RateSweep:
    return engine.sweep_rates(
        network(0.0, norm=False, seed=seed), Sum(), Numbers(40, 0), terms={"squared": Squared()},
        settings=engine.Settings(
            batch_size=8,
            progress=False,
            optimizer={"name": "sgd", "momentum": 0},
            learning_rate=0.5,
            weight_decay=0,
            scheduler="onecycle",
        ),
        fabric=engine.launch(device="cpu", devices=1, precision="32"), **options,
    )  # fmt: skip


def test_losses_are_those_of_a_bare_loop() -> None:
    sweep = _sweep(lowest=1e-4, highest=1e-2, steps=12)
    net, data, order = network(0.0, norm=False), Numbers(40, 0), samplers.shuffled(40, 42)
    batches = [batch for epoch in range(3) for step in samplers.epoch_steps(order(epoch), 5, 8, 1, 0) for batch in step]
    for rate, loss, batch in zip(np.geomspace(1e-4, 1e-2, 12), sweep.losses, batches):
        x, y = torch.from_numpy(data.x[batch]), torch.from_numpy(data.y[batch])
        weight = 1 + (y > 0).float()
        value = (weight * (net(x)[:, 0] - y) ** 2).sum() / weight.sum()
        assert loss == pytest.approx(float(value.detach()), rel=1e-4)
        gradients = torch.autograd.grad(value, list(net.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(net.parameters(), gradients):
                parameter -= rate * gradient


def test_ends_where_it_diverges_and_leaves_the_random_state() -> None:
    before = torch.get_rng_state()
    sweep = _sweep(lowest=1e-5, highest=1e3, steps=60)
    assert torch.equal(torch.get_rng_state(), before)
    assert len(sweep.rates) == len(sweep.losses) == len(sweep.smoothed) < 60
    assert all(math.isfinite(loss) for loss in sweep.losses)
    assert sweep.suggestion is not None
    assert 0.003 < sweep.suggestion < 0.3


def test_smoothing_and_suggestion_by_hand() -> None:
    assert smooth([3.0, 1.0]) == pytest.approx([3.0, (0.98 * 0.02 * 3 + 0.02 * 1) / (1 - 0.98**2)])
    rates = [10.0**k for k in range(-6, 0)]
    assert suggested_rate(rates, [5.0, 6.0, 4.0, 3.0, 2.0, 9.0]) == 1e-4  # 6 4 3 2: from 1e-5, half of the way
    assert suggested_rate(rates, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) is None
    assert suggested_rate([], []) is None


@pytest.mark.parametrize("seed", range(4))
def test_noise_of_small_batches_does_not_decide(seed: int) -> None:
    """The loss falls about 0.03 to 0.3, whatever the seed."""
    sweep = _sweep(lowest=1e-6, highest=100.0, steps=100, seed=seed)
    assert sweep.suggestion == pytest.approx(0.03, rel=1.0)


@pytest.mark.parametrize("options", [{"lowest": 1.0, "highest": 0.1}, {"steps": 3}, {"lowest": 0.0}])
def test_rates_that_do_not_rise_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ScantuneError, match="learning-rate finder"):
        _sweep(**options)
