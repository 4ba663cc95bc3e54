"""Losses of binary targets and masks against formulas written out."""

import pytest
import torch

from scantune import losses
from scantune.losses import masks
from scantune.records import ScantuneError


@pytest.fixture
def logits():
    return torch.randn(2, 1, 6, 5, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def mask():
    return (torch.rand(2, 6, 5, generator=torch.Generator().manual_seed(1)) > 0.6).long()


def _dice(p, t, smooth=1e-6):
    return 1 - (2 * (p * t).sum() + smooth) / (p.sum() + t.sum() + smooth)


def test_dice_is_the_formula_per_sample(logits, mask):
    p = logits[:, 0].sigmoid()
    expected = sum(_dice(p[i], mask[i]) for i in range(2)) / 2
    assert losses.build("dice")(logits, mask).item() == pytest.approx(float(expected), rel=1e-6)


def test_squared_dice_and_jaccard_are_their_formulas(logits, mask):
    p, t = logits[0, 0].sigmoid(), mask[0].float()
    squared = losses.build({"name": "dice", "squared_pred": True})(logits[:1], mask[:1])
    assert float(squared) == pytest.approx(float(1 - 2 * (p * t).sum() / (p.square().sum() + t.sum())), rel=1e-4)
    jaccard = losses.build({"name": "dice", "jaccard": True})(logits[:1], mask[:1])
    assert float(jaccard) == pytest.approx(float(1 - (p * t).sum() / (p.sum() + t.sum() - (p * t).sum())), rel=1e-4)


def test_dice_agrees_with_monai(logits, mask):
    from monai.losses.dice import DiceLoss

    theirs = DiceLoss(sigmoid=True, smooth_nr=1e-6, smooth_dr=1e-6)(logits, mask[:, None])
    assert float(losses.build("dice")(logits, mask)) == pytest.approx(float(theirs), rel=1e-5)


def test_an_empty_mask_costs_nothing_where_nothing_is_found_and_all_where_something_is():
    empty = torch.zeros(1, 4, 4).long()
    nothing, something = torch.full((1, 1, 4, 4), -30.0), torch.full((1, 1, 4, 4), 30.0)
    assert float(losses.build("dice")(nothing, empty)) == pytest.approx(0.0, abs=1e-5)
    assert float(losses.build("dice")(something, empty)) == pytest.approx(1.0, abs=1e-5)


def test_dice_of_several_classes_leaves_the_background_out():
    logits = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(3))
    mask = torch.randint(0, 3, (1, 4, 4), generator=torch.Generator().manual_seed(4))
    p = logits.softmax(1)
    per_class = [_dice(p[0, k], (mask[0] == k).float()) for k in range(3)]
    assert float(losses.build("dice")(logits, mask)) == pytest.approx(float(sum(per_class[1:]) / 2), rel=1e-5)
    whole = losses.build({"name": "dice", "background": True})(logits, mask)
    assert float(whole) == pytest.approx(float(sum(per_class) / 3), rel=1e-5)


def test_focal_bce_gives_positives_alpha_and_negatives_one_minus_alpha(logits, mask):
    p, t = logits[:, 0].sigmoid(), mask.float()
    positive = -0.25 * (1 - p) ** 2 * p.log()
    negative = -0.75 * p**2 * (1 - p).log()
    expected = (t * positive + (1 - t) * negative).mean()
    assert float(losses.build("focal_bce")(logits, mask)) == pytest.approx(float(expected), rel=1e-5)


def test_focal_bce_agrees_with_torchvision(logits, mask):
    from torchvision.ops import sigmoid_focal_loss

    theirs = sigmoid_focal_loss(logits[:, 0], mask.float(), alpha=0.25, gamma=2, reduction="mean")
    assert float(losses.build("focal_bce")(logits, mask)) == pytest.approx(float(theirs), rel=1e-5)


def test_alpha_rebalances_the_classes():
    target = torch.tensor([1, 0])
    logits = torch.zeros(2, 1)
    positive, negative = (masks.focal_bce(logits, target, alpha=0.25)).tolist()
    assert negative == pytest.approx(3 * positive)


def test_two_logits_are_taken_as_their_difference():
    logits = torch.randn(5, 2, generator=torch.Generator().manual_seed(5))
    target = torch.tensor([0, 1, 1, 0, 1])
    expected = torch.nn.functional.cross_entropy(logits, target)
    assert float(losses.build("bce")(logits, target)) == pytest.approx(float(expected), rel=1e-5)


def test_more_logits_are_one_versus_rest_and_a_channel_axis_of_the_mask_is_dropped(logits, mask):
    three = torch.randn(2, 3, 6, 5, generator=torch.Generator().manual_seed(6))
    one_hot = torch.stack([(mask == k).float() for k in range(3)], dim=1)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(three, one_hot)
    assert float(losses.build("bce")(three, mask)) == pytest.approx(float(expected), rel=1e-5)
    assert torch.equal(losses.build("bce")(logits, mask[:, None]), losses.build("bce")(logits, mask))


def test_bce_smoothing_and_weight_of_positives_are_the_formula(logits, mask):
    t = mask.float() * 0.9 + 0.05
    p = logits[:, 0].sigmoid()
    expected = -(3 * t * p.log() + (1 - t) * (1 - p).log()).mean()
    made = losses.build({"name": "bce", "pos_weight": 3, "label_smoothing": 0.1})(logits, mask)
    assert float(made) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("name", ["dice", "bce", "jaccard", "focal_bce"])
def test_a_mask_of_another_size_is_refused(name, logits):
    with pytest.raises(ScantuneError, match="are incompatible with a"):
        losses.build(name)(logits, torch.zeros(2, 5, 5).long())
