"""Maps of an averaged network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from scantune import explain, models
from scantune.explain.sanity import cascade, mapper
from scantune.explain.sanity.question import Question
from scantune.explain.sanity.randomise import stages
from scantune.prediction import AveragedNetwork
from scantune.tasks.questions import unit


def networks(count: int, outputs: int = 2) -> list[models.Network]:
    made = []
    for seed in range(count):
        torch.manual_seed(seed)
        backbone = models.build("small_cnn", modality="image", in_channels=1, size=(32, 32), seed=seed)
        made.append(models.Network(backbone, nn.Linear(backbone.feature_dim, outputs)).eval())
    return made


@pytest.mark.parametrize("method", ["gradcam", "hirescam", "eigencam", "scorecam"])
def test_the_map_shows_all_networks(method: str) -> None:
    nets, x = networks(3), torch.rand(1, 32, 32)
    result = explain.maps(AveragedNetwork(nets, 1), x, [unit(0), unit(1)], method=method)
    assert len(result) == 2
    for one, number in zip(result, (0, 1), strict=True):
        if one.map is None:
            continue
        assert one.map.shape == (32, 32)
        assert one.map.max() == pytest.approx(1)
        single = explain.map(nets[0], x, unit(number), method=method)
        assert single.layer == one.layer
        assert single.map is None or not np.allclose(single.map, one.map)


def test_copies_of_one_network_have_its_map() -> None:
    (net,) = networks(1)
    x = torch.rand(1, 32, 32)
    single = explain.map(net, x, unit(1), method="hirescam")
    both = explain.map(AveragedNetwork([net, net], None), x, unit(1), method="hirescam")
    assert single.map is not None
    assert both.map is not None
    np.testing.assert_allclose(both.map, single.map, atol=1e-5)


def test_random_weights_are_given_to_all_networks() -> None:
    network = AveragedNetwork(networks(2), 1)
    whole = [module for _, modules in stages(network, 3) for module in modules]
    touched = {id(p) for module in whole for p in module.parameters()}
    assert touched == {id(p) for p in network.parameters()}
    questions = [Question(f"s{i}", f"p{i}", torch.rand(1, 32, 32), unit(1)) for i in range(3)]
    assert "weight_randomization" in cascade(network, questions, make=mapper("gradcam"), steps=2)
