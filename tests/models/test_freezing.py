"""What trains, from when on, how fast; and that what is frozen stands still."""

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from scantune import models
from scantune.config.model import FREEZING_PRESETS, FreezingConfig
from scantune.models import freezing, surgery
from scantune.records import ScantuneError


def _step(network, optimizer):
    x = torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    optimizer.zero_grad(set_to_none=True)
    network(x).square().mean().backward()
    optimizer.step()


def _changed(network, before):
    return {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}


def _copy(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def test_a_ratio_counts_layers_and_not_parameter_tensors(network):
    plan = freezing.plan(network, epochs=4, freeze_ratio=0.7)
    body = [layer for layer in plan.layers if layer.depth > 0]
    frozen = [layer for layer, start in zip(plan.layers, plan.starts) if start == freezing.NEVER]
    assert len(body) == 20 + 20  # convolutions and batch norms of a ResNet-18
    assert len(frozen) == 28
    assert [layer.name for layer in frozen] == [layer.name for layer in body[:28]]


def test_frozen_layers_and_their_batch_norms_stand_still_and_the_others_move(network):
    plan = freezing.plan(network, epochs=4, freeze_layers=2)  # stem and layer1
    optimizer = torch.optim.AdamW(plan.parameter_groups(1e-3, weight_decay=0.1))
    plan.apply(network, 0)
    plan.train_mode(network)
    before = _copy(network)
    _step(network, optimizer)
    changed = _changed(network, before)
    assert not [name for name in changed if ".conv1." in name and "layer" not in name]
    assert not [name for name in changed if ".bn1." in name and "layer" not in name]
    assert not [name for name in changed if ".layer1." in name]
    assert {"backbone.net.layer2.0.conv1.weight", "backbone.net.layer2.0.bn1.running_mean", "head.weight"} <= changed


def test_a_batch_norm_without_parameters_goes_with_the_layer_before_it():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4, affine=False), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
    parts = models.Parts(net, 4, [("stem", [net[0], net[1]]), ("layer1", [net[2], net[3]])])
    network = models.Network(models.Backbone(parts, models.Recipe("x", "image", 1)), nn.Flatten())
    plan = freezing.plan(network, epochs=1, freeze_layers=1)
    plan.apply(network, 0)
    plan.train_mode(network)
    assert [net[1].training, net[3].training] == [False, True]


def test_a_layer_that_thaws_later_is_in_the_optimizer_and_trains(network):
    plan = freezing.plan(network, epochs=8, freeze_ratio=0.7, unfreeze_epochs="quarters")
    optimizer = torch.optim.SGD(plan.parameter_groups(1e-2))
    assert len(optimizer.param_groups) == len(plan.table())
    began = {}
    moved = {}
    for epoch in range(8):
        began[epoch] = plan.apply(network, epoch)
        plan.train_mode(network)
        before = _copy(network)
        _step(network, optimizer)
        moved[epoch] = len([name for name in _changed(network, before) if name.endswith("weight")])
    assert [epoch for epoch, names in began.items() if names] == [2, 4, 6]
    assert moved[0] < moved[2] < moved[4] < moved[6] == 20 + 20 + 1
    assert began[6][0] == "stem"


def test_resuming_needs_nothing_but_the_epoch(network):
    plan = freezing.plan(network, epochs=8, freeze_ratio=0.7, unfreeze_epochs=[1, 3, 5])
    for epoch in range(5):
        plan.apply(network, epoch)
    walked = [parameter.requires_grad for parameter in network.parameters()]
    plan.apply(network, 0)
    plan.apply(network, 4)
    assert [parameter.requires_grad for parameter in network.parameters()] == walked


def test_progressive_thaws_one_block_more_each_time(network):
    plan = freezing.plan(network, epochs=10, num_unfrozen_layers=1, progressive_every=2)
    starts = {row.group: row.from_epoch for row in plan.table()}
    assert starts == {"stem": 9, "layer1": 7, "layer2": 5, "layer3": 3, "layer4": 1, "head": 1}


@pytest.mark.parametrize(
    ("frozen", "from_epoch"),
    [
        ({"freeze_backbone": True}, [11, 9, 7, 5, 3]),
        ({"num_unfrozen_layers": 0}, [11, 9, 7, 5, 3]),
        ({"freeze_layers": 2}, [5, 3, 1, 1, 1]),
        ({"freeze_layers": 1}, [3, 1, 1, 1, 1]),
    ],
)
def test_the_first_frozen_block_thaws_at_the_first_interval_however_it_was_frozen(network, frozen, from_epoch):
    plan = freezing.plan(network, epochs=20, progressive_every=2, **frozen)
    starts = {row.group: row.from_epoch for row in plan.table()}
    assert [starts[name] for name in ("stem", "layer1", "layer2", "layer3", "layer4")] == from_epoch


def test_the_last_block_before_the_output_of_a_dense_network_thaws_at_the_first_interval():
    network = models.Network(models.build_dense("unet", ndim=2, channels=[4, 4, 8, 8, 8]))
    plan = freezing.plan(network, epochs=20, progressive_every=2, freeze_backbone=True)
    starts = {row.group: row.from_epoch for row in plan.table()}
    assert (starts["output"], starts["up1"], starts["up2"]) == (1, 3, 5)


@pytest.mark.parametrize(
    ("options", "trains"),
    [
        ({}, {"stem", "layer1", "layer2", "layer3", "layer4", "head"}),
        ({"freeze_backbone": True}, {"head"}),
        ({"freeze_layers": 3}, {"layer3", "layer4", "head"}),
        ({"num_unfrozen_layers": 2}, {"layer3", "layer4", "head"}),
        ({"num_unfrozen_layers": 0}, {"head"}),
        ({"freeze_ratio": 1.0}, {"head"}),
        ({"freeze_ratio": 0.0}, {"stem", "layer1", "layer2", "layer3", "layer4", "head"}),
        ({"head_epochs": 1}, {"head"}),
    ],
)
def test_each_way_to_freeze_says_what_trains_first(network, options, trains):
    assert {row.group for row in freezing.plan(network, epochs=4, **options).table(0) if row.trains} == trains


def test_learning_rates_fall_from_the_head_to_the_input(network):
    plan = freezing.plan(network, epochs=4, backbone_factor=0.1, layer_decay=0.5, head_epochs=1)
    rates = {group["name"]: group["lr"] for group in plan.parameter_groups(1e-2)}
    assert rates == pytest.approx(
        {"head": 1e-2, "layer4": 1e-3, "layer3": 5e-4, "layer2": 2.5e-4, "layer1": 1.25e-4, "stem": 6.25e-5}
    )
    low = freezing.plan(network, epochs=4, low_learning_rate=1e-5).parameter_groups(1e-2)
    assert {group["name"]: group["lr"] for group in low}["stem"] == pytest.approx(1e-5)
    assert low[-1]["lr"] == 1e-2


@pytest.mark.parametrize("name", models.dense.names())
def test_the_output_block_of_a_dense_network_has_the_rate_of_the_head(name):
    network = models.Network(models.build_dense(name, ndim=2))
    groups = freezing.plan(network, epochs=4, backbone_factor=0.1, layer_decay=0.5).parameter_groups(1e-2)
    rates = [group["lr"] for group in groups]
    assert groups[-1]["name"] == "output"
    assert rates[-3:] == pytest.approx([5e-4, 1e-3, 1e-2])
    low = freezing.plan(network, epochs=4, low_learning_rate=1e-5).parameter_groups(1e-2)
    assert [group["lr"] for group in low] == [1e-5] * (len(low) - 1) + [1e-2]


def test_blocks_of_a_dense_network_are_counted_without_its_output():
    network = models.Network(models.build_dense("unet", ndim=2, channels=[4, 4, 8, 8, 8]))
    trains = {row.group for row in freezing.plan(network, epochs=4, num_unfrozen_layers=1).table() if row.trains}
    assert trains == {"up1", "output"}
    with pytest.raises(ScantuneError, match="the backbone has 9"):
        freezing.plan(network, epochs=4, freeze_layers=10)


def test_what_trains_is_said_in_numbers(network):
    text = freezing.plan(network, epochs=4, freeze_backbone=True).describe()
    assert "513 of 11,170,753 parameters train" in text
    assert "never" in text
    assert text.startswith("epoch 1: ")


def test_epochs_are_counted_from_one_in_words(network):
    plan = freezing.plan(network, epochs=8, freeze_ratio=0.7, unfreeze_epochs=[2, 4])
    assert plan.apply(network, 1) == []
    assert plan.apply(network, 2) != []  # after two epochs
    assert plan.describe(2).startswith("epoch 3: ")
    assert {row.from_epoch for row in plan.table()} == {1, 3, 5}


def test_class_token_and_position_embedding_freeze_with_the_stem(make_network):
    network = make_network("vit_tiny_patch16_224", in_channels=3, size=(32, 32), depth=2)
    freezing.plan(network, epochs=1, freeze_layers=1).apply(network, 0)
    assert not network.backbone.net.cls_token.requires_grad
    assert not network.backbone.net.pos_embed.requires_grad
    assert not network.backbone.net.patch_embed.proj.weight.requires_grad
    assert network.backbone.net.blocks[0].attn.qkv.weight.requires_grad


def test_the_output_block_of_a_dense_network_always_trains():
    network = models.Network(models.build_dense("unet", ndim=2, seed=0, channels=[4, 4, 8, 8, 16]))
    table = freezing.plan(network, epochs=1, freeze_backbone=True).table()
    assert [row.group for row in table if row.trains] == ["output"]


def test_more_blocks_than_there_are_is_refused(network):
    with pytest.raises(ScantuneError, match="freeze_layers: 9 blocks; the backbone has 5: stem, layer1"):
        freezing.plan(network, epochs=1, freeze_layers=9)


def test_the_settings_are_the_plans_own_keywords(network):
    takes = set(inspect.signature(freezing.plan).parameters) - {"network", "epochs"}
    assert set(FreezingConfig.model_fields) == takes
    for preset in FREEZING_PRESETS.values():
        freezing.plan(network, epochs=8, **FreezingConfig(**preset).model_dump())


@pytest.fixture(scope="module")
def fixed():
    return models.Network(models.build("resnet18", modality="image", seed=0), nn.Linear(512, 1))


@settings(deadline=None, max_examples=40)
@given(ratio=st.floats(0, 1), epochs=st.integers(1, 60), epoch=st.integers(0, 60), quarters=st.booleans())
def test_every_parameter_is_in_one_group_and_what_trains_never_shrinks(fixed, ratio, epochs, epoch, quarters):
    plan = freezing.plan(
        fixed, epochs=epochs, freeze_ratio=ratio, unfreeze_epochs="quarters" if quarters else None, head_epochs=2
    )
    grouped = [id(p) for group in plan.parameter_groups(1.0) for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in fixed.parameters())
    plan.apply(fixed, epoch)
    now = {name for name, p in fixed.named_parameters() if p.requires_grad}
    plan.apply(fixed, epoch + 1)
    later = {name for name, p in fixed.named_parameters() if p.requires_grad}
    assert {"head.weight", "head.bias"} <= now <= later


@pytest.mark.parametrize(
    ("name", "options"),
    [(name, {}) for name in models.dense.names()] + [("plain_unet", {"deep_supervision": True})],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_output_layer_for_other_classes_stays_the_head(name, options):
    network = models.Network(models.build_dense(name, ndim=2, in_channels=1, out_channels=2, **options))
    before = {layer.name: (layer.block, layer.depth) for layer in freezing.layers(network)}
    surgery.replace_output(network, 5)
    plan = freezing.plan(network, epochs=4, freeze_backbone=True, backbone_factor=0.1, layer_decay=0.5)
    assert {layer.name: (layer.block, layer.depth) for layer in plan.layers} == before
    plan.apply(network, 0)
    layer = surgery.output_layer(network)[1]
    assert layer.out_channels == 5
    outputs = {parameter for module in network.backbone.blocks[-1][1] for parameter in module.parameters()}
    assert {parameter for parameter in network.parameters() if parameter.requires_grad} == outputs >= {layer.weight}
