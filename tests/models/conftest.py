"""Networks small and quick, on one thread."""

import pytest
import torch
from torch import nn

from scantune import models


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def network():
    """A ResNet-18 for grey images with one output, from a fixed seed."""
    return make("resnet18")


def make(name, outputs=1, *, modality="image", in_channels=1, **options):
    backbone = models.build(name, modality=modality, in_channels=in_channels, seed=0, **options)
    generator = torch.Generator().manual_seed(1)
    head = nn.Linear(backbone.feature_dim, outputs)
    with torch.no_grad():
        head.weight.normal_(generator=generator)
        head.bias.normal_(generator=generator)
    return models.Network(backbone, head)


@pytest.fixture
def make_network():
    return make
