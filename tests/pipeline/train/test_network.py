"""A network from the ``model:`` block: the initial output."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from scantune.config.model import ModelConfig
from scantune.pipeline.train.network import build_network
from scantune.pipeline.train.training import new_network
from scantune.records import ScantuneError
from scantune.tasks.regression.settings import Regression
from scantune.tasks.regression.task import RegressionTask

AGES = np.random.default_rng(0).normal(60, 12, (200, 1)).astype(np.float32)
SHAPES = {"image": (1, 32, 32), "volume": (1, 24, 32, 24), "video": (1, 8, 32, 32)}
BACKBONES = [
    ("image", "resnet18", {}),
    ("image", "vit_tiny_patch16_224", {"options": {"depth": 1}}),
    ("volume", "resnet10_3d", {}),
    ("video", "r3d_18", {}),
    ("video", "small_cnn", {"dropout": 0.3}),
]


def network_of(modality, backbone, targets=AGES, **model):
    block = ModelConfig(backbone=backbone, **model)
    return build_network(RegressionTask(Regression(target="age")), block, modality, SHAPES[modality], 0, targets)


@pytest.mark.parametrize(("modality", "backbone", "model"), BACKBONES)
def test_a_regression_starts_at_the_mean_of_the_training_side_and_at_its_scale(modality, backbone, model):
    network = network_of(modality, backbone, **model).train()
    x = torch.rand(4, *SHAPES[modality], generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        y = network(x)
    assert y.shape == (4, 1)
    assert torch.all((y - 60).abs() < 3 * 12), y
    y.square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.head.parameters())


def test_without_the_key_and_without_targets_it_starts_at_0_as_it_did():
    x = torch.rand(4, *SHAPES["image"], generator=torch.Generator().manual_seed(0))
    off = network_of("image", "resnet18", init_output=False).eval()
    bare = network_of("image", "resnet18", targets=None).eval()
    assert torch.equal(off(x), bare(x))
    assert off(x).abs().max() < 5
    started = network_of("image", "resnet18").eval()
    expected = AGES.astype(float).mean() + AGES.astype(float).std() * off(x)
    assert torch.allclose(started(x), expected.float(), atol=1e-4), "the same random weights, in another unit"


@pytest.mark.parametrize("value", [0.0, 7.5])
def test_targets_that_are_all_the_same_are_where_it_starts(value):
    network = network_of("image", "small_cnn", targets=np.full((5, 1), value, np.float32)).eval()
    with torch.no_grad():
        y = network(torch.rand(2, *SHAPES["image"]))
    assert torch.all((y - value).abs() < 3)


@pytest.mark.parametrize(("start", "group"), [(None, "experiments"), (Path("other"), "derived")])
@pytest.mark.parametrize(
    ("backbone", "options", "words"),
    [
        ("vit_tiny_patch16_224", {"depth": -1}, r"model\.options\.depth: -1 is not a value"),
        ("small_cnn", {"depth": 3}, r"model\.options\.depth: small_cnn has no such option"),
        ("resnet18", {"pretrained_cfg": "x"}, r"model\.options: 'pretrained_cfg' lets a library read"),
    ],
)
def test_a_fault_of_an_option_names_the_key_of_its_block(start, group, backbone, options, words):
    block = SimpleNamespace(model=ModelConfig(backbone=backbone, options=options))
    task = RegressionTask(Regression(target="age"))
    shape, image = SHAPES["image"], SimpleNamespace(modality="image")
    plan = SimpleNamespace(key="ages", start=start, block=block, task=task, input=image, shape=shape)
    with pytest.raises(ScantuneError, match=rf"^{group}\.ages\.{words}"):
        new_network(plan, 0, AGES, None)
