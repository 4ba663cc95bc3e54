from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from scantune.prediction import Augmentation, TensorPredictor
from scantune.records import ScantuneError
from scantune.tasks.classification.task import ClassificationTask
from scantune.tasks.regression.settings import Regression
from scantune.tasks.regression.task import RegressionTask
from scantune.tasks.segmentation.settings import Segmentation
from scantune.tasks.segmentation.task import SegmentationTask
from tests.engine.toy import Numbers, Sum, network

SCORE = RegressionTask(Regression(target="score"))


class First(nn.Module):
    """The mean of a sample, times a weight."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x.flatten(1).mean(1, keepdim=True)


def shifted(sample: Tensor, mask: Any, generator: torch.Generator) -> Any:
    return sample + torch.rand((), generator=generator), mask, SimpleNamespace(flipped=False)


def test_answers_are_in_order_whatever_the_batch() -> None:
    net, data = network(), Numbers(11, 0)
    with torch.no_grad():
        expected = net.eval()(torch.from_numpy(data.x))[:, 0].numpy()
    for batch in (1, 4, 11):
        made = TensorPredictor([net], Sum(), {}).predict(data, batch_size=batch)
        np.testing.assert_allclose(made.reduced, expected, rtol=1e-5)
        np.testing.assert_array_equal(made.targets, data.y)
        assert made.spread is None


def test_copies_are_averaged_and_do_not_depend_on_what_stands_beside_a_sample() -> None:
    predictor = TensorPredictor([First()], SCORE, {}, Augmentation(5, shifted))
    x = torch.randn(6, 1, 4, 4)
    whole = predictor.output(x)
    shift = (whole.mean - x.flatten(1).mean(1, keepdim=True)) * 6 / 5  # mean shift of the five copies
    assert bool(((shift > 0) & (shift < 1)).all())
    torch.testing.assert_close(shift, shift[:1].expand_as(shift))  # the same draws for each sample
    order = torch.tensor([3, 0, 5, 1])
    torch.testing.assert_close(predictor.output(x[order]).mean, whole.mean[order])
    torch.testing.assert_close(predictor.output(x[2:3]).mean, whole.mean[2:3])
    assert whole.spread is not None
    assert bool((whole.spread > 0).all())


def test_the_spread_is_that_between_networks_each_averaged_over_its_copies() -> None:
    x = torch.ones(2, 1, 3, 3)
    predictor = TensorPredictor([First(1.0), First(3.0)], SCORE, {})
    result = predictor.columns(predictor.output(x))
    np.testing.assert_allclose(result["prediction"], [2.0, 2.0])
    np.testing.assert_allclose(result["prediction_sd"], [np.sqrt(2)] * 2, rtol=1e-6)
    assert list(result) == ["prediction", "prediction_sd"]
    alone = TensorPredictor([First()], SCORE, {})
    assert "prediction_sd" not in alone.columns(alone.output(x))


def test_copies_may_not_swap_left_and_right_answers() -> None:
    def flipped(sample: Tensor, mask: Any, generator: torch.Generator) -> Any:
        return sample.flip(-1), mask, SimpleNamespace(flipped=True)

    x = torch.zeros(2, 1, 4, 4)
    free = TensorPredictor([First()], SCORE, {}, Augmentation(1, flipped))
    free.output(x)
    sided = TensorPredictor([First()], SCORE, {}, Augmentation(1, flipped, sided=True))
    with pytest.raises(ScantuneError, match=r"flip_left_right or train\.test_time_augmentation to 0"):
        sided.output(x)


@pytest.mark.parametrize("channels", [1, 3])
def test_mirrored_masks_are_mirrored_back(channels: int) -> None:
    torch.manual_seed(0)
    net = nn.Conv2d(1, channels, 3, padding=1)
    with torch.no_grad():
        net.weight.copy_((net.weight + net.weight.flip(2)) / 2)
        net.weight.copy_((net.weight + net.weight.flip(3)) / 2)  # a kernel that knows no sides
    task, x = (
        SegmentationTask(Segmentation(classes=("background", *"abc"[: max(1, channels - 1)]))),
        torch.randn(2, 1, 6, 5),
    )
    plain = TensorPredictor([net], task, {})
    turned = TensorPredictor([net], task, {}, Augmentation(7, mirrors=True))
    shares = [o.mean.sigmoid() if channels == 1 else o.mean.softmax(1) for o in (plain.output(x), turned.output(x))]
    torch.testing.assert_close(*shares, atol=1e-6, rtol=0)
    np.testing.assert_array_equal(plain.masks(plain.output(x)), turned.masks(turned.output(x)))


def test_a_network_with_sides_is_asked_about_every_mirror_image() -> None:
    net = nn.Conv2d(1, 1, 3, padding=1)
    x = torch.randn(1, 1, 5, 5)
    predictor = TensorPredictor([net], SegmentationTask(Segmentation()), {}, Augmentation(3, mirrors=True))
    both = [(), (3,), (2,), (2, 3)]
    with torch.no_grad():
        expected = torch.stack([net(x.flip(axes)).flip(axes).sigmoid() for axes in both]).mean(0)
    torch.testing.assert_close(predictor.output(x).mean.sigmoid(), expected, atol=1e-6, rtol=0)


def test_an_answer_that_is_not_finite_is_named_and_never_an_empty_cell() -> None:
    data = Numbers(4, 0)
    data.x[2] = np.nan
    with pytest.raises(ScantuneError, match="not a finite number, of sample s002"):
        TensorPredictor([network()], Sum(), {}).predict(data, batch_size=2)
    output = TensorPredictor([First()], SCORE, {}).output(torch.tensor([[1.0], [torch.inf]]))
    assert output.finite.tolist() == [True, False]


def test_float32_is_computed_whatever_autocast_it_is_called_in() -> None:
    net, x = nn.Linear(64, 2), torch.randn(3, 64)
    task = ClassificationTask("label", ("a", "b"))
    plain = TensorPredictor([net], task, {}).output(x).mean
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(TensorPredictor([net], task, {}).output(x).mean, plain, atol=0, rtol=0)


def test_no_samples_are_no_answers() -> None:
    made = TensorPredictor([network()], Sum(), {}).predict(Numbers(0, 0))
    assert len(made.reduced) == len(made.targets) == 0
