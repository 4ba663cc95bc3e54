from __future__ import annotations

import pytest
import torch
from torch import nn

from scantune.prediction import AveragedNetwork, averaged, mean_output

SHAPES = [((5, 3), 1), ((5, 6, 4), 2), ((2, 3, 4, 5), 1)]


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_the_mean_is_that_of_the_probabilities(shape: tuple[int, ...], axis: int) -> None:
    outputs = torch.randn(4, *shape) * 5
    expected = outputs.softmax(axis + 1).mean(0)
    torch.testing.assert_close(mean_output(outputs, axis).softmax(axis), expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(mean_output(outputs.flip(0), axis), mean_output(outputs, axis))


def test_one_logit_is_a_probability_too_however_sure() -> None:
    outputs = torch.tensor([[[4.0], [-60.0], [0.0]], [[-1.0], [-60.0], [0.0]]])
    result = mean_output(outputs, 1)
    torch.testing.assert_close(result.sigmoid(), outputs.sigmoid().mean(0))
    assert float(result[1]) == pytest.approx(-60)  # no probability is cut off


def test_plain_numbers_are_averaged_and_one_output_comes_back_as_it_is() -> None:
    outputs = torch.randn(3, 5, 1)
    torch.testing.assert_close(mean_output(outputs, None), outputs.mean(0))
    torch.testing.assert_close(mean_output(outputs[:1], 1), outputs[0], rtol=0, atol=0)
    with pytest.raises(ValueError, match="nothing"):
        mean_output([], 1)


def test_an_averaged_network_has_gradients_in_all_of_its_networks() -> None:
    networks = [nn.Linear(4, 3), nn.Linear(4, 3)]
    network = averaged(networks, 1)
    assert isinstance(network, AveragedNetwork)
    network(torch.randn(2, 4)).softmax(1)[:, 0].sum().backward()
    for one in networks:
        assert one.weight.grad is not None
        assert bool(one.weight.grad.isfinite().all())
        assert float(one.weight.grad.abs().sum()) > 0
    assert averaged(networks[:1], 1) is networks[0]
