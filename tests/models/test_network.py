"""A network on disk and back; another output layer; another range."""

import json

import pytest
import torch
from torch import nn

from scantune import models
from scantune.files import DiskFullError
from scantune.models import surgery
from scantune.records import ScantuneError

IMAGE = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "head",
    [
        nn.Linear(64, 3),
        nn.Sequential(nn.Dropout(0.2), nn.Linear(64, 10), nn.Unflatten(1, (2, 5))),
        nn.Sequential(nn.LayerNorm(64), nn.Linear(64, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1)),
    ],
)
def test_a_network_comes_back_from_disk_as_it_was(tmp_path, head):
    norm = models.Normalization((0.4,), (0.2,))
    network = models.Network(models.build("small_cnn", modality="image", seed=0, normalization=norm), head).eval()
    models.save(network, tmp_path)
    before = torch.random.get_rng_state()
    again = models.load(tmp_path)
    assert torch.equal(before, torch.random.get_rng_state())
    assert not again.training
    assert torch.equal(again(IMAGE), network(IMAGE))
    assert again.backbone.normalization == norm


def test_a_dense_network_comes_back_from_disk(tmp_path):
    network = models.Network(
        models.build_dense("unet", ndim=2, out_channels=2, seed=0, channels=[4, 4, 8, 8, 16])
    ).eval()
    models.save(network, tmp_path)
    assert torch.equal(models.load(tmp_path)(IMAGE), network(IMAGE))


def test_a_network_built_for_a_size_and_stride_comes_back_with_both(tmp_path, make_network):
    network = make_network("resnet18", first_stride=1).eval()
    models.save(network, tmp_path / "a")
    assert torch.equal(models.load(tmp_path / "a")(IMAGE), network(IMAGE))
    vit = make_network("vit_tiny_patch16_224", size=(32, 32), depth=1).eval()
    models.save(vit, tmp_path / "b")
    assert torch.equal(models.load(tmp_path / "b")(IMAGE), vit(IMAGE))


def test_the_same_network_is_written_as_the_same_bytes(tmp_path, make_network):
    for name in ("a", "b"):
        models.save(make_network("small_cnn"), tmp_path / name)
    for file in ("weights.safetensors", "architecture.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_what_is_missing_or_does_not_fit_is_named(tmp_path, make_network):
    with pytest.raises(ScantuneError, match=r"architecture\.json: file not found"):
        models.load(tmp_path)
    models.save(make_network("small_cnn"), tmp_path)
    path = tmp_path / "architecture.json"
    described = json.loads(path.read_text())
    path.write_text(json.dumps({**described, "format": "other"}))
    with pytest.raises(ScantuneError, match="format 'other'"):
        models.load(tmp_path)
    described["head"]["out_features"] = 7
    path.write_text(json.dumps(described))
    with pytest.raises(ScantuneError, match=r"head\.weight"):
        models.load(tmp_path)
    path.write_text("{")
    with pytest.raises(ScantuneError, match="network cannot be loaded"):
        models.load(tmp_path)
    with pytest.raises(ScantuneError, match="a head with a Tanh cannot be written"):
        models.save(models.Network(make_network("small_cnn").backbone, nn.Tanh()), tmp_path)


def test_a_full_disk_leaves_the_saved_network_whole(tmp_path, make_network, monkeypatch):
    first = make_network("small_cnn")
    models.save(first, tmp_path)
    import os

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError, match=r"weights\.safetensors was not written"):
        models.save(make_network("small_cnn", outputs=2), tmp_path)
    monkeypatch.undo()
    assert torch.equal(models.load(tmp_path)(IMAGE), first.eval()(IMAGE))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_new_output_layer_is_xavier_uniform_without_bias_and_the_rest_stays(make_network):
    network = make_network("small_cnn")
    before = {name: value.clone() for name, value in network.backbone.state_dict().items()}
    surgery.replace_output(network, 30, generator=torch.Generator().manual_seed(0))
    assert network.head.weight.shape == (30, 64)
    assert torch.all(network.head.bias == 0)
    bound = (6 / (64 + 30)) ** 0.5
    assert network.head.weight.abs().max() <= bound
    assert float(network.head.weight.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.05)
    assert all(torch.equal(value, before[name]) for name, value in network.backbone.state_dict().items())
    again = make_network("small_cnn")
    surgery.replace_output(again, 30, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again.head.weight, network.head.weight)


@pytest.mark.parametrize(("name", "ndim"), [("unet", 2), ("attention_unet", 2), ("segresnet", 3), ("res_unet", 3)])
def test_a_dense_network_gets_other_classes_and_is_saved_with_them(tmp_path, name, ndim):
    options = {"init_filters": 8} if name == "segresnet" else {"channels": [4, 4, 8, 8, 16]}
    network = models.Network(models.build_dense(name, ndim=ndim, out_channels=1, seed=0, **options)).eval()
    surgery.replace_output(network, 4, generator=torch.Generator().manual_seed(0))
    x = torch.rand(1, 1, *(16,) * ndim, generator=torch.Generator().manual_seed(1))
    made = network(x)
    assert made.shape[1] == 4
    models.save(network, tmp_path)
    assert torch.equal(models.load(tmp_path)(x), made)


def test_rescaling_maps_the_old_range_onto_the_new(make_network):
    network = make_network("small_cnn").eval()
    old = network(IMAGE)
    surgery.rescale_output(network, (0, 34), (10, 100))
    scale = 90 / 34
    assert torch.allclose(network(IMAGE), old * scale + 10, atol=1e-4)
    surgery.rescale_output(network, (10, 100), (0, 34))
    assert torch.allclose(network(IMAGE), old, atol=1e-4)


def test_rescaling_what_cannot_be_rescaled_is_refused(make_network):
    network = make_network("small_cnn")
    with pytest.raises(ScantuneError, match="must differ"):
        surgery.rescale_output(network, (3, 3), (0, 1))
    with pytest.raises(ScantuneError, match="no bias"):
        surgery.rescale_output(models.Network(network.backbone, nn.Linear(64, 1, bias=False)), (0, 1), (0, 2))
    with pytest.raises(ScantuneError, match="no linear output layer"):
        surgery.replace_output(models.Network(network.backbone, nn.Identity()), 3)
