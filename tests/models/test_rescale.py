"""The layer from standard units to the target's own."""

import pytest
import torch
from torch import nn

from scantune import models
from scantune.models import freezing, surgery
from scantune.models.rescale import Rescale

IMAGE = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network(make_network):
    plain = make_network("small_cnn")
    return models.Network(plain.backbone, nn.Sequential(nn.Dropout(0.1), plain.head, Rescale(60.0, 12.0))).eval()


def test_it_answers_mean_plus_std_times_its_input_and_passes_the_gradient(network):
    z = torch.tensor([[0.0], [-1.5]], requires_grad=True)
    y = Rescale(60.0, 12.0)(z)
    y.sum().backward()
    assert y.flatten().tolist() == [60.0, 42.0]
    assert z.grad.flatten().tolist() == [12.0, 12.0]
    inner = network.head[1](network.backbone(IMAGE))
    assert torch.allclose(network(IMAGE), 60 + 12 * inner)


def test_under_bfloat16_it_keeps_the_resolution_of_float32():
    z = torch.tensor([[0.0101], [0.0112]], dtype=torch.bfloat16)
    y = Rescale(1000.0, 12.0)(z)
    assert y.dtype == torch.float32
    assert y[0] != y[1], "at 1000 bfloat16 has steps of 4"


def test_no_optimizer_sees_it_and_no_weight_decay_reaches_it(network):
    assert not any(name.startswith("head.2") for name, _ in network.named_parameters())
    groups = freezing.plan(network, epochs=3, freeze_backbone=True).parameter_groups(0.1)
    assert sum(p.numel() for p in groups[-1]["params"]) == 64 + 1
    optimizer = torch.optim.AdamW(groups, lr=0.1, weight_decay=0.5)
    for _ in range(200):  # nothing but decay: the answer ends at the mean, not at 0
        for group in groups:
            for parameter in group["params"]:
                parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
    assert torch.allclose(network(IMAGE), torch.tensor(60.0), atol=0.1)


def test_a_saved_network_has_it_and_one_without_it_is_still_read(tmp_path, network, make_network):
    models.save(network, tmp_path / "new")
    again = models.load(tmp_path / "new")
    assert torch.equal(again(IMAGE), network(IMAGE))
    assert (float(again.head[2].mean), float(again.head[2].std)) == (60.0, 12.0)
    models.save(make_network("small_cnn"), tmp_path / "old")
    assert isinstance(models.load(tmp_path / "old").head, nn.Linear)


def test_another_range_of_the_score_is_taken_by_it(network):
    before = network(IMAGE)
    surgery.rescale_output(network, (0, 34), (10, 100))
    assert torch.allclose(network(IMAGE), before * 90 / 34 + 10, atol=1e-3)
    assert float(network.head[2].std) == pytest.approx(12 * 90 / 34)


def test_several_numbers_have_units_of_their_own_and_are_written_and_read(make_network, tmp_path):
    plain = make_network("small_cnn")
    head = nn.Sequential(nn.Linear(plain.backbone.feature_dim, 2), Rescale([60.0, 3.0], [12.0, 0.5]))
    network = models.Network(plain.backbone, head).eval()
    assert Rescale([60.0, 3.0], [12.0, 0.5])(torch.tensor([[1.0, -2.0]])).tolist() == [[72.0, 2.0]]
    models.save(network, tmp_path)
    again = models.load(tmp_path).eval()
    assert torch.equal(network(IMAGE), again(IMAGE))


def test_another_output_layer_answers_in_its_own_units_and_not_in_those_of_the_one_before(network):
    surgery.replace_output(network, 2, units=([60.0, 3.0], [12.0, 0.5]))
    assert [type(part) for part in network.head.modules() if isinstance(part, Rescale)] == [Rescale]
    assert torch.allclose(network(IMAGE), torch.tensor([60.0, 3.0]), atol=30)
    surgery.replace_output(network, 3)
    assert network(IMAGE).abs().max() < 5
