"""Sliding windows: what they give, how much memory they take, and that MONAI's give the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from scantune.prediction import TensorPredictor, Windows
from scantune.registry.tensors import windows_of
from scantune.tasks.segmentation.settings import Segmentation
from scantune.tasks.segmentation.task import SegmentationTask


class Counted(nn.Module):
    """A network of a pixel alone, which counts its windows."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(tuple(x.shape))
        return torch.cat([x[:, :1] * 2, x[:, :1] - 3], dim=1)


@pytest.mark.parametrize("space", [(50, 33), (16, 16), (7, 40), (20, 9, 31)])
def test_a_network_that_sees_no_neighbours_gives_what_it_gives_the_whole(space: tuple[int, ...]) -> None:
    size = (16,) * len(space)
    inputs = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 1, *space)).astype(np.float32))
    net = Counted()
    output = Windows(size, overlap=0.5, batch=3)(net, inputs)
    torch.testing.assert_close(output, Counted()(inputs), atol=1e-5, rtol=1e-5)
    assert {shape[2:] for shape in net.seen} == {size}
    assert max(shape[0] for shape in net.seen) <= 3


@pytest.mark.parametrize("overlap", [0.25, 0.5])
def test_monai_gives_the_same(overlap: float) -> None:
    inferers = pytest.importorskip("monai.inferers")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv3d(4, 2, 3, padding=1)).eval()
    inputs = torch.randn(1, 1, 24, 40, 24)  # where both place windows alike
    places = (torch.arange(16) - 7.5) / 2
    line = torch.exp(-0.5 * places**2)
    weights = line[:, None, None] * line[:, None] * line * 1e12  # MONAI raises all below a thousandth, nnU-Net none
    with torch.no_grad():
        expected = inferers.sliding_window_inference(inputs, (16,) * 3, 2, net, overlap, roi_weight_map=weights)
        output = Windows((16, 16, 16), overlap, batch=2)(net, inputs)
    torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-5)


def test_seams_are_where_a_window_sees_least() -> None:
    class Edges(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            output = torch.zeros_like(x)
            output[..., 0] = output[..., -1] = 1.0  # an artefact at the border of each window
            return output

    output = Windows((16, 16), overlap=0.5)(Edges(), torch.zeros(1, 1, 16, 64))
    assert output[0, 0, :, 1:-1].max() < 0.01
    assert output[0, 0, :, 0].sub(1).abs().max() < 1e-5, "at the border of the image no window sees more"


def test_the_predictor_slides_and_reflects() -> None:
    from scantune.prediction import Augmentation

    net = Counted().eval()
    windows = Windows((16, 16))
    inputs = torch.randn(1, 1, 40, 24)
    task = SegmentationTask(Segmentation(classes=("background", "a")))
    alone = TensorPredictor([net], task, {}, windows=windows).output(inputs).mean
    mirrored = TensorPredictor([net], task, {}, Augmentation(3, mirrors=True), windows=windows).output(inputs).mean
    torch.testing.assert_close(alone, Counted()(inputs), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(mirrored.softmax(1), alone.softmax(1), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("modality", ["image", "volume"])
def test_networks_compute_in_bf16_where_the_input_says_so_and_averages_are_float32(modality: str) -> None:
    seen = []

    class Seen(nn.Module):
        def __init__(self, axes: int) -> None:
            super().__init__()
            self.layer = (nn.Conv2d, nn.Conv3d)[axes - 2](1, 2, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            answer: Tensor = self.layer(x)
            seen.append(answer.dtype)
            return answer

    axes = 2 if modality == "image" else 3
    block = {"modality": modality, "patch": [8] * axes, "overlap": 0.5}
    net, inputs = Seen(axes).eval(), torch.randn(1, 1, *[21] * axes)
    task = SegmentationTask(Segmentation(classes=("background", "a")))
    results = {}
    for precision in ("32", "bf16"):
        seen.clear()
        windows = windows_of(block | {"window_precision": precision})
        results[precision] = TensorPredictor([net], task, {}, windows=windows).output(inputs).mean
        assert set(seen) == {torch.bfloat16 if precision == "bf16" else torch.float32}
    before, changed = results.values()
    assert changed.dtype == torch.float32
    torch.testing.assert_close(changed, before, atol=0.02, rtol=0.02)
    assert not torch.equal(changed, changed.bfloat16().float()), "the mean over windows is finer than bf16"
