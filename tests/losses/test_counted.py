"""Losses of masks in which some pixels do not count, or labels overlap."""

from __future__ import annotations

import pytest
import torch

from scantune import losses
from scantune.mask_codes import IGNORED
from scantune.tasks.segmentation.settings import Segmentation
from scantune.tasks.segmentation.task import SegmentationTask

CASES = [
    (("a",), False, ("dice", "bce", "focal_bce", "jaccard")),
    (("a", "b"), False, ("dice", "bce", "cross_entropy", "weighted_cross_entropy", "focal_cross_entropy")),
    (("a", "b"), True, ("dice", "bce", "focal_bce", "jaccard")),
]


def build(task: SegmentationTask, name: str) -> losses.Combined:
    spec = {"name": name} | ({"class_weights": [1.0, 2.0, 3.0]} if name == "weighted_cross_entropy" else {})
    return losses.of_counted(losses.build(spec, classes=task.class_count), task.loss_target)


def batch(task: SegmentationTask, overlapping: bool) -> tuple[torch.Tensor, torch.Tensor]:
    drawn = torch.Generator().manual_seed(0)
    output = torch.randn(2, task.outputs, 4, 6, generator=drawn)
    top = 4 if overlapping else len(task.foreground) + 1
    return output, torch.randint(0, top, (2, 4, 6), generator=drawn)


@pytest.mark.parametrize(("foreground", "overlapping", "names"), CASES)
def test_the_loss_is_that_of_the_pixels_that_count(foreground, overlapping, names):
    task = SegmentationTask(Segmentation(classes=("background", *foreground), overlapping=overlapping))
    output, target = batch(task, overlapping)
    partly = target.clone()
    partly[:, 2:] = IGNORED
    for name in names:
        loss = build(task, name)
        expected = loss(output[:, :, :2], target[:, :2])
        torch.testing.assert_close(loss(output, partly), expected, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize(("foreground", "overlapping", "names"), CASES)
def test_nothing_is_learned_where_pixels_do_not_count(foreground, overlapping, names):
    task = SegmentationTask(Segmentation(classes=("background", *foreground), overlapping=overlapping))
    output, target = batch(task, overlapping)
    target[:, 2:] = IGNORED
    for name in names:
        logits = output.clone().requires_grad_()
        build(task, name)(logits, target).backward()
        assert torch.isfinite(logits.grad).all(), name
        assert (logits.grad[:, :, 2:] == 0).all(), name
        assert (logits.grad[:, :, :2] != 0).any(), name


@pytest.mark.parametrize(("foreground", "overlapping", "names"), CASES)
def test_the_loss_does_not_depend_on_how_samples_are_divided_into_batches(foreground, overlapping, names):
    task = SegmentationTask(Segmentation(classes=("background", *foreground), overlapping=overlapping))
    output, target = batch(task, overlapping)
    output, target = torch.cat([output, -output]), torch.cat([target, target.flip(2)])
    target[0, 1:], target[1] = IGNORED, IGNORED  # little of the first counts, none of the second, all of the others
    for name, loss in {part: one for spec in names for part, one in build(task, spec).components.items()}.items():
        together = loss.total(output, target) / loss.weight(target)
        for parts in ((1, 1, 2), (1, 3), (2, 2)):
            pieces = list(zip(output.split(parts), target.split(parts)))
            total = sum(loss.total(*piece) for piece in pieces)
            weight = sum(loss.weight(piece[1]) for piece in pieces)
            torch.testing.assert_close(total / weight, together, rtol=1e-5, atol=1e-6, msg=f"{name} {parts}")


def test_a_sample_in_which_nothing_counts_takes_no_part():
    task = SegmentationTask(Segmentation(classes=("background", "a")))
    output, target = batch(task, False)
    target[1] = IGNORED
    nothing = torch.full_like(target, IGNORED)
    for name in ("dice", "bce", "jaccard"):
        loss = build(task, name)
        torch.testing.assert_close(loss(output, target), loss(output[:1], target[:1]), msg=name)
        for part in loss.components.values():
            assert float(part.total(output, nothing)) == float(part.weight(nothing)) == 0, name


def test_overlapping_labels_are_binary_tasks_side_by_side():
    task = SegmentationTask(Segmentation(classes=("background", "a", "b"), overlapping=True))
    output, target = batch(task, True)
    planes = [(target & 1).long(), (target >> 1).long()]
    for name in ("dice", "bce"):
        each = [losses.build(name)(output[:, i : i + 1], planes[i]) for i in range(2)]
        torch.testing.assert_close(build(task, name)(output, target), torch.stack(each).mean())
