"""Backbones by name: shapes, blocks, saliency layers; what is refused."""

import pytest
import torch
from torch import nn

from scantune import models
from scantune.models import catalogue, dense
from scantune.records import ScantuneError

QUICK = [
    ("small_cnn", "image", (1, 28, 28), 64),
    ("custom_1", "image", (1, 32, 32), 256),
    ("Custom_1", "image", (3, 32, 32), 256),
    ("small_cnn", "volume", (1, 16, 20, 12), 64),
    ("small_cnn", "video", (3, 6, 32, 32), 64),
    ("resnet18", "image", (1, 32, 32), 512),
    ("densenet121", "image", (1, 32, 32), 1024),
    ("efficientnet", "image", (3, 32, 32), 1280),
    ("convnext_atto", "image", (1, 32, 32), 320),
    ("vit_tiny_patch16_224", "image", (1, 32, 32), 192),
    ("swin_tiny_patch4_window7_224", "image", (3, 56, 56), 768),
    ("resnet10_3d", "volume", (1, 32, 32, 32), 512),
    ("resnet18_3d", "volume", (1, 32, 32, 32), 512),
    ("r2plus1d_18", "video", (1, 4, 32, 32), 512),
    ("mc3_18", "video", (3, 4, 32, 32), 512),
    ("swin3d_t", "video", (1, 4, 32, 32), 768),
    ("mobilenetv3_small_050", "video", (1, 3, 32, 32), 1024),
    ("vit_tiny_patch16_224", "video", (3, 2, 32, 32), 192),
]
SLOW = [
    ("dino", "image", (1, 56, 56), 384),
    ("raddino", "image", (1, 56, 56), 768),
    ("resnet50", "image", (3, 64, 64), 2048),
    ("resnet34_3d", "volume", (1, 32, 32, 32), 512),
    ("resnet50_3d", "volume", (1, 32, 32, 32), 2048),
    ("densenet121_3d", "volume", (1, 32, 32, 32), 1024),
    ("swinunetr", "volume", (1, 32, 32, 32), 768),
    ("r3d_18", "video", (3, 4, 32, 32), 512),
    ("mvit_v2_s", "video", (3, 16, 32, 32), 768),
]
DENSE = [(name, ndim) for name in dense.names() for ndim in (2, 3) if (name, ndim) != ("timm_unet", 3)]


def _check(name, modality, shape, features):
    backbone = models.build(name, modality=modality, in_channels=shape[0], size=shape[1:], seed=0).eval()
    layer = backbone.get_submodule(backbone.saliency_layer)
    seen = []
    layer.register_forward_hook(lambda module, inputs, made: seen.append(made))
    with torch.no_grad():
        made = backbone(torch.zeros(2, *shape))
    assert made.shape == (2, features)
    assert backbone.feature_dim == features
    _check_layout(backbone, seen[0])
    _check_blocks(backbone)


def _check_layout(backbone, seen):
    if backbone.layout == "tokens":
        if backbone.token_grid is not None:
            assert seen.shape[1] == backbone.prefix_tokens + backbone.token_grid[0] * backbone.token_grid[1]
    else:
        space = seen.shape[2:] if backbone.layout == "channels_first" else seen.shape[1:-1]
        assert seen.ndim >= 4
        assert all(length <= 32 for length in space)
        channels = seen.shape[1] if backbone.layout == "channels_first" else seen.shape[-1]
        assert channels >= 16


def _check_blocks(backbone):
    assert backbone.blocks[0][0] == "stem"
    assert len({name for name, _ in backbone.blocks}) == len(backbone.blocks) >= 3
    seen = [parameter for _, modules in backbone.blocks for module in modules for parameter in module.parameters()]
    assert len({id(p) for p in seen}) == len(seen)
    loose = {name for name, p in backbone.named_parameters() if not any(p is q for q in seen)}
    assert all("." not in name.removeprefix("net.").removeprefix("frames.") or "pos_enc" in name for name in loose), (
        loose
    )


@pytest.mark.parametrize(("name", "modality", "shape", "features"), QUICK)
def test_a_backbone_gives_features_and_says_what_it_is(name, modality, shape, features):
    _check(name, modality, shape, features)


@pytest.mark.heavy
@pytest.mark.parametrize(("name", "modality", "shape", "features"), SLOW)
def test_a_larger_backbone_gives_features_and_says_what_it_is(name, modality, shape, features):
    _check(name, modality, shape, features)


@pytest.mark.parametrize(("name", "ndim"), DENSE)
def test_a_dense_network_answers_per_pixel_whatever_the_size(name, ndim):
    options = {"segresnet": {"init_filters": 8}, "timm_unet": {"encoder": "resnet10t"}}.get(
        name, {"channels": [4, 4, 8, 8, 16]}
    )
    net = models.build_dense(name, ndim=ndim, in_channels=1, out_channels=3, seed=0, **options).eval()
    space = (13, 22, 17)[:ndim]  # no multiple of what the network halves
    with torch.no_grad():
        assert net(torch.zeros(2, 1, *space)).shape == (2, 3, *space)
    assert net.blocks[0][0] == "stem"
    owned = {id(p) for _, modules in net.blocks for module in modules for p in module.parameters()}
    assert owned == {id(p) for p in net.parameters()}
    assert isinstance(net.get_submodule(net.saliency_layer), nn.Module)


@pytest.mark.parametrize("name", ["xcit_nano_12_p16_224", "tnt_s_legacy_patch16_224"])
def test_a_network_whose_tokens_have_no_stated_place_is_built_without_a_layer_for_maps(name):
    backbone = models.build(name, modality="image", in_channels=1, size=(224, 224), seed=0).eval()
    with torch.no_grad():
        assert backbone(torch.zeros(1, 1, 224, 224)).shape == (1, backbone.feature_dim)
    assert backbone.saliency_layer is None


def test_every_named_modality_has_its_networks():
    assert {"resnet18", "raddino", "chexnet", "custom_1", "small_cnn"} <= set(models.available("image"))
    assert {"resnet10_3d", "resnet50_3d", "densenet121_3d", "swinunetr"} <= set(models.available("volume"))
    assert {"r2plus1d_18", "r3d_18", "mc3_18", "mvit_v2_s", "swin3d_t"} <= set(models.available("video"))


@pytest.mark.parametrize(
    ("name", "modality", "message"),
    [
        ("resnet_18", "image", "did you mean .*resnet18"),
        ("resnet18_3d", "image", "is for volume, not for image"),
        ("resnet18", "volume", "did you mean .*resnet18_3d"),
        ("zzz", "video", "is not known for video"),
    ],
)
def test_an_unknown_name_gets_the_nearest(name, modality, message):
    with pytest.raises(ScantuneError, match=message):
        models.build(name, modality=modality)


def test_an_unknown_option_or_network_is_named():
    with pytest.raises(ScantuneError, match=r"model\.options\.depth: small_cnn has no such option"):
        models.build("small_cnn", modality="image", depth=3)
    with pytest.raises(ScantuneError, match="'vnet' is not known for masks; known are attention_unet"):
        models.build_dense("vnet", ndim=3)
    with pytest.raises(ScantuneError, match="ndim: 4 spatial axes"):
        models.build_dense("unet", ndim=4)
    with pytest.raises(
        ScantuneError, match=r"model\.options\.depth: segresnet has no such option; it has init_filters"
    ):
        models.build_dense("segresnet", ndim=2, depth=3)


def test_an_impossible_value_of_an_option_or_of_the_size_is_named():
    with pytest.raises(ScantuneError, match=r"model\.options\.init_filters: 3 is not a value that segresnet"):
        models.build_dense("segresnet", ndim=2, init_filters=3)
    with pytest.raises(ScantuneError, match="test_maxvit cannot be built for an input of 24×32"):
        models.build("test_maxvit", modality="image", size=(24, 32))


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("vit_tiny_patch16_224", {"depth": -1}, r"model\.options\.depth: -1 is not a value.*leave the key out"),
        ("vit_tiny_patch16_224", {"depth": -1, "embed_dim": 192}, r"model\.options\.depth: -1 is not a value"),
        ("vit_tiny_patch16_224", {"embed_dim": "wide"}, r"model\.options\.embed_dim: 'wide' is not a value"),
        ("vit_tiny_patch16_224", {"depth": -1, "embed_dim": -4}, r"model\.options: .*'depth': -1, 'embed_dim': -4"),
        ("vit_tiny_patch16_224", {"dept": 3}, r"model\.options\.dept: .*did you mean 'depth'\?"),
        ("small_cnn", {"widths": [8, 0]}, r"model\.options\.widths: \[8, 0\] .*its layer layers\.1\.0 has no channels"),
        ("small_cnn", {"width": 3}, r"model\.options\.width: small_cnn has no such option"),
    ],
)
def test_the_option_at_fault_is_named_by_its_key_and_value(name, options, words):
    with pytest.raises(ScantuneError, match=words):
        models.build(name, modality="image", size=(32, 32), **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"channels": [1, 2]}, r"model\.options\.channels: \[1, 2\] has 2 levels; unet has 5"),
        ({"dropout": 3}, r"model\.options\.dropout: 3 is not a value that unet"),
        ({"norm": "NONE?"}, r"model\.options\.norm: 'NONE\?' is not a value"),
    ],
)
def test_the_option_of_a_dense_network_is_named_too(options, words):
    with pytest.raises(ScantuneError, match=words):
        models.build_dense("unet", ndim=2, **options)


def test_a_seed_makes_the_weights_and_leaves_the_global_state_alone():
    before = torch.random.get_rng_state()
    one, two, other = (models.build("small_cnn", modality="image", seed=seed) for seed in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state())
    pairs = list(zip(one.parameters(), two.parameters(), other.parameters()))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not torch.equal(pairs[0][0], pairs[0][2])


def test_the_first_stride_is_medicalnets_and_can_be_set():
    usual = models.build("resnet10_3d", modality="volume", seed=0)
    fine = models.build("resnet10_3d", modality="volume", seed=0, first_stride=1)
    assert usual.net.conv1.stride == (2, 2, 2)
    assert fine.net.conv1.stride == (1, 1, 1)
    video = models.build("r3d_18", modality="video", in_channels=3, seed=0, first_stride=1)
    assert video.net.stem[0].stride == (1, 1, 1)
    image = models.build("resnet18", modality="image", seed=0, first_stride=1)
    assert image.net.conv1.stride == (1, 1)


def test_a_network_that_cuts_patches_refuses_another_first_stride():
    with pytest.raises(ScantuneError, match="divides its input into patches of"):
        models.build("vit_tiny_patch16_224", modality="image", in_channels=3, first_stride=2)


def test_the_dilated_resnet_keeps_the_resolution_of_its_second_layer():
    volume = torch.zeros(1, 1, 32, 32, 32)
    usual = models.build("resnet10_3d", modality="volume", seed=0).eval()
    dilated = models.build("resnet10_3d", modality="volume", seed=0, dilated=True).eval()
    sizes = []
    for net in (usual, dilated):
        net.get_submodule(net.saliency_layer).register_forward_hook(lambda m, i, made: sizes.append(made.shape[-1]))
        with torch.no_grad():
            net(volume)
    assert sizes == [1, 4]
    assert usual.state_dict().keys() == dilated.state_dict().keys()


def test_a_backbone_of_ones_own_has_a_name_and_is_saved_with_it(tmp_path):
    @models.register("own_for_a_test", "image")
    def own(in_channels, *, width=4):
        net = nn.Sequential(nn.Conv2d(in_channels, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return models.Parts(net, width, [("stem", [net])], saliency_layer="0")

    try:
        network = models.Network(models.build("own_for_a_test", modality="image", width=6), nn.Linear(6, 2))
        models.save(network, tmp_path)
        image = torch.ones(1, 1, 8, 8)
        assert torch.equal(models.load(tmp_path)(image), network.eval()(image))
    finally:
        catalogue._TABLE["image"].pop("own_for_a_test")


def test_normalisation_is_applied_inside_and_none_where_weights_are_random():
    plain = models.build("small_cnn", modality="image", in_channels=3, seed=0).eval()
    assert plain.normalization is None
    norm = models.Normalization((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    inside = models.build("small_cnn", modality="image", in_channels=3, seed=0, normalization=norm).eval()
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(v)[None, :, None, None] for v in (norm.mean, norm.std))
    assert torch.allclose(inside(x), plain((x - mean) / std))
    assert inside.state_dict().keys() == plain.state_dict().keys()


def test_the_normalisation_of_a_grey_image_is_the_mean_over_the_channels():
    made = models.Normalization((0.3, 0.4, 0.5), (0.1, 0.2, 0.3)).for_channels(1)
    assert made.mean == pytest.approx((0.4,))
    assert made.std == pytest.approx((0.2,))


@pytest.mark.heavy
def test_mvit_is_torchvisions_at_its_own_size():
    from torchvision.models.video import mvit_v2_s

    theirs = mvit_v2_s().eval()
    ours = models.build("mvit_v2_s", modality="video", in_channels=3).eval()
    theirs.head = nn.Identity()
    assert {k: v.shape for k, v in ours.net.state_dict().items()} == {
        k: v.shape for k, v in theirs.state_dict().items()
    }
    ours.net.load_state_dict(theirs.state_dict())
    clip = torch.rand(1, 3, 16, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(ours(clip), theirs(clip), atol=1e-5)
