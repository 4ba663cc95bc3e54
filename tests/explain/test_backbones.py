"""The layer is found by itself in backbones of every kind, and attention in vision transformers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scantune import explain, models
from scantune.records import ScantuneError


def network(name: str, modality: str, channels: int, **options: object) -> models.Network:
    backbone = models.build(name, modality=modality, in_channels=channels, seed=0, **options)  # type: ignore[arg-type]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return models.Network(backbone, torch.nn.Linear(backbone.feature_dim, 3)).eval()


@pytest.mark.parametrize(
    "name, modality, shape, options",
    [
        ("small_cnn", "image", (1, 64, 64), {}),
        ("resnet18", "image", (1, 96, 96), {}),
        ("convnext_atto", "image", (3, 96, 96), {}),
        pytest.param("swin_tiny_patch4_window7_224", "image", (3, 224, 224), {}, marks=pytest.mark.slow),
        ("vit_tiny_patch16_224", "image", (3, 64, 64), {"size": (64, 64)}),
        ("mobilenetv3_small_050", "image", (3, 64, 64), {}),  # widens its features behind the pooling
        pytest.param("r3d_18", "video", (3, 8, 64, 64), {}, marks=pytest.mark.slow),
        pytest.param("mvit_v2_s", "video", (1, 4, 64, 64), {"size": (4, 64, 64)}, marks=pytest.mark.slow),
        ("mobilenetv3_small_050", "video", (1, 3, 112, 112), {}),  # each frame by itself
        ("vit_tiny_patch16_224", "video", (1, 3, 64, 64), {"size": (3, 64, 64)}),
    ],
)
def test_a_frozen_backbone_has_maps_at_a_layer_found_by_itself(
    name: str, modality: str, shape: tuple[int, ...], options: dict[str, object]
) -> None:
    net = network(name, modality, shape[0], **options)
    net.requires_grad_(False)
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    three = [explain.targets.unit(k) for k in range(3)]
    for method in ("gradcam", "eigencam"):
        made = explain.maps(net, x, three, method=method)
        assert made[0].layer.startswith("backbone.net.")
        assert len(made[0].grid) == len(shape) - 1
        assert [m.output for m in made] == pytest.approx(net(x[None])[0].tolist(), abs=1e-4)
        defined = [m.map for m in made if m.map is not None]
        assert defined
        assert all(m.shape == shape[1:] and np.isfinite(m).all() for m in defined)


@pytest.fixture(scope="module")
def vit() -> models.Network:
    return network("vit_tiny_patch16_224", "image", 1, size=(64, 48))


def test_attention_of_a_layer_is_the_class_tokens(vit: models.Network) -> None:
    """Against the softmax written out, on a grid that is not square."""
    x = torch.rand(1, 64, 48, generator=torch.Generator().manual_seed(0))
    made = explain.map(vit, x, method="attention", layer_idx=0)
    assert (made.layer, made.grid) == ("backbone.net.blocks.0.attn", (4, 3))
    net = vit.backbone.net
    with torch.no_grad():
        tokens = net.blocks[0].norm1(net.norm_pre(net._pos_embed(net.patch_embed(x[None]))))
        attn = net.blocks[0].attn
        q, k, _ = attn.qkv(tokens).reshape(1, 13, 3, attn.num_heads, -1).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * attn.scale).softmax(-1)[0].mean(0)[0, 1:]
    expected = finish_like(weights.reshape(4, 3), (64, 48))
    np.testing.assert_allclose(made.map, expected, atol=1e-5)


def finish_like(cells: torch.Tensor, shape: tuple[int, int]) -> np.ndarray:
    full = torch.nn.functional.interpolate(cells[None, None], shape, mode="bilinear")[0, 0].numpy()
    return full / full.max()


def test_layers_differ_and_the_last_is_the_default(vit: models.Network) -> None:
    x = torch.rand(1, 64, 48, generator=torch.Generator().manual_seed(0))
    last, also = explain.map(vit, x, method="attention"), explain.map(vit, x, method="attention", layer_idx=11)
    first = explain.map(vit, x, method="attention", layer_idx=0)
    assert np.array_equal(last.map, also.map)
    assert not np.allclose(last.map, first.map)
    with pytest.raises(ScantuneError, match="layer_idx: 12 is outside this network's 12 blocks"):
        explain.map(vit, x, method="attention", layer_idx=12)


def test_rollout_of_uniform_attention_is_undefined_and_fused_kernels_come_back(vit: models.Network) -> None:
    x = torch.rand(1, 64, 48, generator=torch.Generator().manual_seed(0))
    fused = [block.attn.fused_attn for block in vit.backbone.net.blocks]
    made = explain.map(vit, x, method="rollout")
    assert made.map is not None
    assert (made.map.shape, made.grid) == ((64, 48), (4, 3))
    assert [block.attn.fused_attn for block in vit.backbone.net.blocks] == fused
    flat = network("vit_tiny_patch16_224", "image", 1, size=(64, 48))
    for block in flat.backbone.net.blocks:
        torch.nn.init.zeros_(block.attn.qkv.weight)
    undefined = explain.map(flat, x, method="rollout")
    assert undefined.map is None
    assert "does not distinguish locations" in str(undefined.reason)


def test_attention_is_refused_where_there_is_none() -> None:
    with pytest.raises(ScantuneError, match=r"vision transformer.*use gradcam"):
        explain.map(network("small_cnn", "image", 1), torch.rand(1, 32, 32), method="rollout")


@pytest.mark.parametrize(
    "name, ndim, side", [("unet", 2, 64), ("segresnet", 3, 32), ("attention_unet", 2, 64), ("res_unet", 2, 64)]
)
def test_dense_networks(name: str, ndim: int, side: int) -> None:
    net = models.Network(models.build_dense(name, ndim=ndim, in_channels=1, out_channels=2, seed=0))
    x = torch.rand(1, *[side] * ndim, generator=torch.Generator().manual_seed(0))
    made = explain.map(net, x, explain.targets.dense(1), method="eigencam")
    assert made.map is not None
    assert made.map.shape == (side,) * ndim
    assert 1 < min(made.grid) < side  # the bottom or near it, not the answer itself


def test_a_layer_of_one_cell_is_undefined_not_drawn() -> None:
    made = explain.map(network("resnet18", "image", 1), torch.rand(1, 32, 32), layer="layer4")
    assert made.map is None
    assert "single cell" in str(made.reason)


@pytest.mark.parametrize(
    "name, modality, shape, layer, grid",
    [
        ("resnet18", "image", (1, 224, 224), "layer4", (7, 7)),
        ("resnet18", "image", (1, 96, 96), "layer2", (12, 12)),
        ("resnet18", "image", (1, 4, 4), "act1", (2, 2)),  # nothing has cells enough: the finest there is
        ("custom_1", "image", (1, 128, 128), "layers.4.2", (8, 8)),
        ("custom_1", "image", (1, 64, 64), "layers.3.2", (8, 8)),
        ("small_cnn", "video", (1, 8, 64, 64), "layers.2.2", (2, 16, 16)),
        ("resnet10_3d", "volume", (1, 56, 64, 48), "layer3", (4, 4, 3)),
        ("convnext_atto", "image", (3, 96, 96), "stages.1", (12, 12)),
    ],
)
def test_the_layer_is_the_deepest_with_cells_enough(
    name: str, modality: str, shape: tuple[int, ...], layer: str, grid: tuple[int, ...]
) -> None:
    net = network(name, modality, shape[0])
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    made = explain.map(net, x, method="eigencam")
    assert (made.layer, made.grid) == (f"backbone.net.{layer}", grid)


def test_a_dense_network_is_read_higher_up_where_its_bottom_is_coarse_and_a_key_overrides() -> None:
    net = models.Network(models.build_dense("unet", ndim=2, in_channels=1, out_channels=1, seed=0))
    x = torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert explain.map(net, x, explain.targets.dense(), method="eigencam").grid == (8, 8)
    chosen = explain.map(net, x, explain.targets.dense(), method="eigencam", layer="down_4")
    assert (chosen.layer, chosen.grid) == ("backbone.net.down_4", (4, 4))


def test_layers_that_stand_in_lists_are_found() -> None:
    """A Swin encoder's stages: not the patches before anything was learned of them."""
    net = network("swinunetr", "volume", 1, feature_size=12)
    made = explain.map(net, torch.rand(1, 32, 32, 32, generator=torch.Generator().manual_seed(0)), method="eigencam")
    assert (made.layer, made.grid) == ("backbone.net.swinViT.layers2.0", (4, 4, 4))
