"""Published weights in their own formats, made here with generated values; what matched; what is refused."""

import json
import re

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from scantune import models
from scantune.models import weights
from scantune.models.weights import files, known, names
from scantune.records import ScantuneError


def _values(backbone, seed=9):
    """The network's names with generated values, without the counters that old files do not have."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand(value.shape, generator=generator) if value.is_floating_point() else value
        for name, value in backbone.net.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def _equal(backbone, values):
    state = backbone.net.state_dict()
    return all(torch.equal(state[name], value) for name, value in values.items())


def test_medicalnet_with_module_names_in_a_training_checkpoint(tmp_path):
    values = _values(models.build("resnet10_3d", modality="volume"))
    inside = {f"module.{name}": value for name, value in values.items()}
    inside["module.conv_seg.0.weight"] = torch.zeros(2, 512, 3, 3, 3)
    path = tmp_path / "resnet_10_23dataset.pth"
    torch.save({"epoch": 3, "state_dict": inside, "best_loss": np.float64(0.25), "optimizer": {"state": {}}}, path)
    made = models.build("resnet10_3d", modality="volume", weights="medicalnet", weights_folder=tmp_path)
    assert _equal(made, values)
    assert made.load_report.share == 1.0
    assert made.load_report.unexpected == ("module.conv_seg.0.weight",) or made.load_report.unexpected == (
        "conv_seg.0.weight",
    )
    assert made.net.conv1.stride == (2, 2, 2)
    assert made.normalization is None


def test_chexnet_with_the_names_of_old_densenets(tmp_path):
    values = _values(models.build("chexnet", modality="image", in_channels=3))
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)\.", r"\1.\2.", name): value for name, value in values.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    inside = {f"module.densenet121.{name}": value for name, value in old.items()}
    inside["module.densenet121.classifier.0.weight"] = torch.zeros(14, 1024)
    torch.save({"state_dict": inside, "arch": "DenseNet121"}, tmp_path / "chexnet.pth.tar")
    made = models.build("chexnet", modality="image", in_channels=3, weights="published", weights_folder=tmp_path)
    assert _equal(made, values)
    assert not made.load_report.missing
    assert made.normalization.mean == (0.485, 0.456, 0.406)


def _huggingface(values, prefix=""):
    """timm's names and joint query-key-value to those of Hugging Face's Dinov2Model."""
    rules = [
        (r"^cls_token$", "embeddings.cls_token"),
        (r"^pos_embed$", "embeddings.position_embeddings"),
        (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
        (r"^blocks\.(\d+)\.", r"encoder.layer.\1."),
        (r"attn\.proj\.", "attention.output.dense."),
        (r"ls([12])\.gamma", r"layer_scale\1.lambda1"),
        (r"^norm\.", "layernorm."),
    ]
    made = {"embeddings.mask_token": torch.zeros(1, values["cls_token"].shape[-1])}
    for name, value in values.items():
        new = name
        for pattern, replacement in rules:
            new = re.sub(pattern, replacement, new)
        if "attn.qkv." in new:
            for part, third in zip(("query", "key", "value"), value.chunk(3)):
                made[new.replace("attn.qkv", f"attention.attention.{part}")] = third.clone()
        else:
            made[new] = value
    return {prefix + name: value for name, value in made.items()}


@pytest.mark.parametrize("prefix", ["", "dinov2."])
def test_huggingface_dinov2_names_with_split_query_key_and_value(tmp_path, prefix):
    small = {"embed_dim": 48, "depth": 2, "num_heads": 3}
    name = "vit_small_patch14_dinov2"
    values = _values(models.build(name, modality="image", in_channels=3, size=(56, 56), **small))
    save_file(_huggingface(values, prefix), tmp_path / "model.safetensors")
    made = models.build(
        name, modality="image", in_channels=3, size=(56, 56), weights=tmp_path / "model.safetensors", **small
    )
    assert _equal(made, values)
    assert made.load_report.missing == ()
    assert [n for n in made.load_report.unexpected if "mask_token" not in n] == []


def _pretrained_alone(values):
    """Names of ``model_swinvit.pt``: the encoder in DataParallel, the MLP's layers named as timm names them."""
    short = {name.removeprefix("swinViT.").replace(".linear", ".fc"): value for name, value in values.items()}
    heads = {"rotation_head.weight": torch.zeros(4, 4), "norm.weight": torch.zeros(4)}
    return {"epoch": 1, "state_dict": {f"module.{name}": value for name, value in (short | heads).items()}}


def _pretrained_with_a_decoder(values):
    """Names of ``ssl_pretrained_weights.pth``: each stage wrapped once more, a whole decoder beside the encoder."""
    short = {name.removeprefix("swinViT."): value for name, value in values.items()}
    encoder = {re.sub(r"^(layers\d\.0)\.", r"encoder.\1.0.", name): value for name, value in short.items()}
    encoder = {name if name.startswith("encoder.") else f"encoder.{name}": value for name, value in encoder.items()}
    rest = {
        "encoder.mask_token": torch.zeros(1),
        "decoder1.conv.weight": torch.zeros(3),
        "out.conv.conv.bias": torch.zeros(1),
    }
    return {"model": encoder | rest}


@pytest.mark.parametrize("layout", [_pretrained_alone, _pretrained_with_a_decoder])
def test_both_layouts_of_swin_unetrs_self_supervised_encoder(tmp_path, layout):
    options = {"modality": "volume", "feature_size": 12}
    values = _values(models.build("swinunetr", **options))
    written = layout(values)
    names_there = next(iter(v for v in written.values() if isinstance(v, dict)))
    assert {"module.layers1.0.blocks.0.mlp.fc1.weight", "encoder.layers1.0.0.blocks.0.attn.qkv.weight"} & set(
        names_there
    )
    torch.save(written, tmp_path / "model_swinvit.pt")
    made = models.build("swinunetr", weights="ssl_ct", weights_folder=tmp_path, **options)
    assert _equal(made, values)
    assert made.load_report.missing == ()
    assert made.load_report.share == 1.0


def test_every_file_on_a_hub_has_the_name_that_it_is_looked_for_by():
    for (name, _), facts in known.KNOWN.items():
        if facts.hub:
            assert facts.hub_file in {file.rpartition("/")[2] for file in facts.files}, name


def test_raddino_is_named_with_its_own_normalisation(tmp_path, monkeypatch):
    small = {"embed_dim": 48, "depth": 1, "num_heads": 3}
    values = _values(models.build("raddino", modality="image", in_channels=3, size=(70, 70), **small))
    (tmp_path / "rad-dino").mkdir()
    save_file(_huggingface(values), tmp_path / "rad-dino" / "model.safetensors")
    built = {"modality": "image", "in_channels": 1, "weights": "published", "weights_folder": tmp_path, **small}
    made = models.build("raddino", size=(70, 70), **built)
    assert made.load_report.share == 1.0
    assert made.normalization.mean == pytest.approx((0.5307,))
    assert made.normalization.std == pytest.approx((0.2583,))
    other = models.build("raddino", size=(42, 42), **built)  # the position embedding is resampled
    assert ("pos_embed", "interpolated from 26 to 10 tokens") in other.load_report.adapted
    assert other(torch.zeros(1, 1, 42, 42)).shape == (1, 48)


def test_torchvision_files_of_video_and_image_networks(tmp_path):
    values = _values(models.build("r2plus1d_18", modality="video", in_channels=3))
    torch.save({**values, "fc.weight": torch.zeros(400, 512), "fc.bias": torch.zeros(400)}, tmp_path / "video.pth")
    made = models.build("r2plus1d_18", modality="video", in_channels=3, weights=tmp_path / "video.pth")
    assert _equal(made, values)
    assert made.load_report.unexpected == ("fc.bias", "fc.weight")
    assert made.normalization.mean == pytest.approx((0.43216, 0.394666, 0.37645))
    import torchvision

    theirs = torchvision.models.resnet18()
    torch.save(theirs.state_dict(), tmp_path / "resnet18.pth")
    image = models.build("resnet18", modality="image", in_channels=3, weights=tmp_path / "resnet18.pth").eval()
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    theirs.fc = torch.nn.Identity()
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    assert torch.allclose(image(x), theirs.eval()((x - mean) / std), atol=1e-5)


def test_a_grey_image_gives_what_its_three_channel_copy_gives(tmp_path):
    colour = models.build("resnet18", modality="image", in_channels=3, seed=4).eval()
    torch.save(colour.net.state_dict(), tmp_path / "resnet18.pth")
    built = {"modality": "image", "weights": tmp_path / "resnet18.pth", "normalization": None}
    grey = models.build("resnet18", in_channels=1, **built).eval()
    x = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(grey(x), colour(x.expand(-1, 3, -1, -1)), atol=1e-5)
    assert grey.load_report.adapted == (("conv1.weight", "summed over 3 input channels to 1"),)
    four = models.build("resnet18", in_channels=4, **built)
    expected = colour.net.conv1.weight[:, [0, 1, 2, 0]] * 3 / 4
    assert torch.equal(four.net.conv1.weight, expected)


def test_grey_video_keeps_the_first_layer_of_colour_weights(tmp_path):
    colour = models.build("r3d_18", modality="video", in_channels=3, seed=4).eval()
    torch.save(colour.net.state_dict(), tmp_path / "video.pth")
    grey = models.build("r3d_18", modality="video", weights=tmp_path / "video.pth", normalization=None).eval()
    x = torch.rand(1, 1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(grey(x), colour(x.expand(-1, 3, -1, -1, -1)), atol=1e-5)


def test_our_own_model_folder_starts_another(tmp_path, make_network):
    trained = make_network("small_cnn", normalization=models.Normalization((0.3,), (0.2,)))
    models.save(trained, tmp_path)
    started = models.build("small_cnn", modality="image", weights=tmp_path)
    assert started.load_report.share == 1.0
    assert started.normalization == models.Normalization((0.3,), (0.2,))
    whole = make_network("small_cnn", outputs=3)
    report = weights.load_into(whole, tmp_path)
    assert [name for name, _, _ in report.mismatched] == ["head.bias", "head.weight"]
    assert torch.equal(whole.backbone.net.layers[0][0].weight, trained.backbone.net.layers[0][0].weight)


def test_too_little_matched_is_refused_and_nothing_is_loaded(tmp_path):
    path = tmp_path / "other.pth"
    torch.save(models.build("resnet18", modality="image").net.state_dict(), path)
    with pytest.raises(ScantuneError, match=r"only 0\.0% of the network's parameters .*requires 50%") as caught:
        models.build("small_cnn", modality="image", weights=path)
    assert "missing" in str(caught.value)
    assert "unexpected" in str(caught.value)
    fresh = models.build("small_cnn", modality="image", seed=0)
    before = {name: value.clone() for name, value in fresh.net.state_dict().items()}
    some = {"layers.0.0.weight": torch.zeros(16, 1, 3, 3)}
    with pytest.raises(ScantuneError, match="min_matched"):
        weights.load_into(fresh.net, some)
    assert _equal(fresh, before)
    report = weights.load_into(fresh.net, some, min_matched=0)
    assert report.matched == ("layers.0.0.weight",)


def test_the_report_counts_what_is_missing_unexpected_and_mismatched(tmp_path):
    net = models.build("small_cnn", modality="image", seed=0).net
    state = {name: value for name, value in net.state_dict().items() if not name.startswith("layers.0.0")}
    state["layers.2.1.bias"] = torch.zeros(3)
    state["extra"] = torch.zeros(1)
    report = weights.load_into(net, state)
    assert report.missing == ("layers.0.0.weight",)
    assert report.unexpected == ("extra",)
    assert report.mismatched == (("layers.2.1.bias", (3,), (64,)),)
    whole = sum(p.numel() for p in net.parameters())
    assert report.share == pytest.approx((whole - 144 - 64) / whole)
    assert json.loads(json.dumps(report.as_dict()))["missing"] == ["layers.0.0.weight"]
    assert "mismatched (1): layers.2.1.bias is (3,), not (64,)" in str(report)


def test_one_prefix_is_taken_off_all_names_never_one_per_name():
    expected = ["norm.weight", "conv.weight"]
    assert names.align(["module.norm.weight", "module.conv.weight"], expected) == {
        "module.norm.weight": "norm.weight",
        "module.conv.weight": "conv.weight",
    }
    mixed = names.align(["norm.weight", "conv.weight", "encoder.norm.weight"], expected)
    assert mixed["encoder.norm.weight"] == "encoder.norm.weight"
    assert names.align(["a.weight"], ["swin.a.weight"]) == {"a.weight": "swin.a.weight"}


@pytest.mark.parametrize(
    ("backbone", "modality", "name", "file"),
    [
        ("resnet18_3d", "volume", "medicalnet", "resnet_18_23dataset.pth"),
        ("r2plus1d_18", "video", "kinetics", "r2plus1d_18-91a641e6.pth"),
        ("chexnet", "image", "chexnet", "chexnet.pth.tar"),
        ("resnet18", "image", "imagenet", "resnet18.a1_in1k.safetensors"),
        ("resnet18", "image", "published", "resnet18.a1_in1k.safetensors"),
    ],
)
def test_offline_the_message_says_which_file_of_which_format_to_put_where(
    backbone, modality, name, file, tmp_path, monkeypatch
):
    _no_network(monkeypatch)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    with pytest.raises(ScantuneError, match="not on this disk") as caught:
        models.build(backbone, modality=modality, in_channels=3, weights=name, weights_folder=tmp_path / "weights")
    message = str(caught.value)
    assert str(tmp_path / "weights" / file) in message
    assert "https://" in message
    assert "PyTorch" in message or "torchvision" in message


def _no_network(monkeypatch):
    import socket

    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)


def test_weights_of_no_name_and_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(ScantuneError, match=r"'medicalnet': unknown for backbone 'r3d_18'; known are .*kinetics"):
        models.build("r3d_18", modality="video", weights="medicalnet")
    with pytest.raises(ScantuneError, match=r"nowhere\.pth: weights file not found"):
        models.build("small_cnn", modality="image", weights=tmp_path / "nowhere.pth")
    with pytest.raises(ScantuneError, match="a folder without weights"):
        models.build("small_cnn", modality="image", weights=tmp_path)


def test_files_are_told_by_content_and_cut_ones_are_refused(tmp_path):
    tensors = {"a": torch.arange(2000.0)}
    save_file(tensors, tmp_path / "named_wrongly.pth")
    assert torch.equal(files.read(tmp_path / "named_wrongly.pth")["a"], tensors["a"])
    torch.save({"model": {"a": tensors["a"]}, "epoch": 3}, tmp_path / "nested.bin")
    assert list(files.read(tmp_path / "nested.bin")) == ["a"]
    torch.save(tensors, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert list(files.read(tmp_path / "old.pth")) == ["a"]
    for name in ("named_wrongly.pth", "nested.bin", "old.pth"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ScantuneError, match=r"not a complete|refused"):
            files.read(tmp_path / "cut")
    (tmp_path / "text.pth").write_text("hello, these are no weights")
    with pytest.raises(ScantuneError):
        files.read(tmp_path / "text.pth")
    torch.save({"epoch": 3}, tmp_path / "none.pth")
    with pytest.raises(ScantuneError, match="no tensors in the file"):
        files.read(tmp_path / "none.pth")


def test_every_named_weight_has_its_facts_for_the_model_card():
    for (name, backbone), facts in known.KNOWN.items():
        assert facts.files, (name, backbone)
        assert facts.licence, (name, backbone)
        assert facts.trained_on, (name, backbone)
        assert facts.origin.startswith("https://"), (name, backbone)
    net = models.build("resnet18", modality="image")
    assert known.licence("imagenet", net) == "apache-2.0"
    assert known.licence("mine.pth", net).startswith("not known")


@pytest.mark.parametrize(
    ("theirs", "ours", "size"),
    [
        pytest.param("vit_b_16", "vit_base_patch16_224", 32, marks=pytest.mark.slow),
        pytest.param("convnext_tiny", "convnext_tiny", 64, marks=pytest.mark.slow),
        ("efficientnet_b0", "efficientnet_b0", 64),
        ("densenet121", "densenet121", 64),
    ],
)
def test_torchvisions_own_names_give_torchvisions_own_features(theirs, ours, size):
    import torchvision

    options = {"image_size": size} if "vit" in theirs else {}
    net = getattr(torchvision.models, theirs)(**options)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, value in net.named_parameters():  # norms and layer scales are 1 or tiny at the start: all alike
            if value.ndim == 1 or "layer_scale" in name:
                value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
    made = models.build(ours, modality="image", in_channels=3, size=(size, size), seed=0)
    report = weights.load_into(made.net, net.state_dict())
    assert not report.missing
    assert not report.mismatched
    assert all(name.startswith(("heads", "head", "classifier", "fc")) for name in report.unexpected)
    x = torch.rand(1, 3, size, size, generator=generator)
    with torch.no_grad():
        assert torch.allclose(made.eval()(x), _features(net.eval(), x), rtol=1e-3, atol=1e-3)


def _features(net, x):
    """What goes into the last linear layer."""
    seen = []
    last = [module for module in net.modules() if isinstance(module, torch.nn.Linear)][-1]
    last.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    net(x)
    return seen[0]


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize(("name", "blocks"), [("tf_efficientnet_lite0", 16), ("efficientnet_b0", 16)])
def test_efficientnets_saved_by_efficientnet_pytorch(tmp_path, name, blocks, prefix):
    values = _values(models.build(name, modality="image", in_channels=3))
    places = sorted({re.match(r"blocks\.(\d+\.\d+)\.", n)[1] for n in values if n.startswith("blocks.")})
    assert len(places) == blocks
    first = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
    others = {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1"}
    others |= {"conv_pwl": "_project_conv", "bn3": "_bn2"}
    outside = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}
    inside = {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}
    for own, value in values.items():
        block = re.match(r"blocks\.(\d+\.\d+)\.(.+?)\.(.+)", own)
        if block is None:
            layer, rest = own.split(".", 1)
            inside[f"{outside[layer]}.{rest}"] = value
            continue
        number, layer, rest = places.index(block[1]), block[2], block[3]
        if layer == "se":
            part, end = rest.split(".")
            inside[f"_blocks.{number}.{part.replace('conv', '_se')}.{end}"] = value
        else:
            inside[f"_blocks.{number}.{(others if number else first)[layer]}.{rest}"] = value
    path = tmp_path / "efficientnet.pth"
    torch.save({prefix + n: v for n, v in inside.items()}, path)
    made = models.build(name, modality="image", in_channels=3, weights=path)
    assert made.load_report.share == 1.0
    assert _equal(made, values)
