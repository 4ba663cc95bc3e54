"""Gradient checkpointing changes what is kept in memory and nothing else."""

import pytest
import torch

from scantune import models
from scantune.models import checkpointing

CASES = [
    ("resnet18", "image", (1, 32, 32), {}),
    ("densenet121", "image", (1, 32, 32), {}),
    ("vit_tiny_patch16_224", "image", (1, 32, 32), {"size": (32, 32), "depth": 2, "drop_rate": 0.1}),
    ("resnet10_3d", "volume", (1, 16, 16, 16), {}),
    ("r3d_18", "video", (1, 4, 16, 16), {}),
]


def _train(make_network, name, modality, shape, options, checkpointed):
    network = make_network(name, modality=modality, **options).train()
    result = checkpointing.enable(network.backbone) if checkpointed else []
    torch.manual_seed(5)  # dropout takes no generator
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        optimizer.zero_grad()
        network(torch.rand(2, *shape, generator=generator)).square().mean().backward()
        optimizer.step()
    return network.state_dict(), result


@pytest.mark.slow
@pytest.mark.parametrize(("name", "modality", "shape", "options"), CASES)
def test_weights_and_statistics_are_those_without(make_network, name, modality, shape, options):
    plain, _ = _train(make_network, name, modality, shape, options, False)
    made, result = _train(make_network, name, modality, shape, options, True)
    assert len(result) >= 2
    assert plain.keys() == made.keys()
    for key, value in plain.items():
        assert torch.equal(value, made[key]), key


def test_less_is_kept_for_the_backward_pass(make_network):
    kept = []
    for checkpointed in (False, True):
        network = make_network("resnet18").train()
        if checkpointed:
            checkpointing.enable(network.backbone)
        seen = []

        def pack(tensor, seen=seen):
            seen.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            network(torch.zeros(2, 1, 64, 64))
        kept.append(sum(seen))
    assert kept[1] < kept[0] / 2


def test_evaluation_and_hooks_work_as_before(make_network):
    network = make_network("resnet18").eval()
    x = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    before = network(x)
    checkpointing.enable(network.backbone)
    seen = []
    network.backbone.get_submodule("net.layer4.1").register_forward_hook(lambda m, i, made: seen.append(made))
    assert torch.equal(network(x), before)
    assert len(seen) == 1
    assert isinstance(network, models.Network)
