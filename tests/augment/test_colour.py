"""Hue, saturation and stains: by hand, invariances, and what is refused."""

from __future__ import annotations

import colorsys

import pytest
import torch

from scantune.augment import build, colour
from scantune.records import ScantuneError

NEUTRAL = {"p": 1.0}


def picture(seed: int = 0) -> torch.Tensor:
    return torch.rand(3, 12, 10, generator=torch.Generator().manual_seed(seed))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_neutral_values_change_nothing() -> None:
    x = picture()
    torch.testing.assert_close(colour.hue_saturation(x, 0.0, 1.0), x)
    torch.testing.assert_close(colour.hue_saturation(x, 360.0, 1.0), x)
    torch.testing.assert_close(colour.stain(x.clamp(1 / 255, 1), (1, 1, 1), (0, 0, 0)), x.clamp(1 / 255, 1))


def test_grey_stays_grey_and_no_saturation_is_grey() -> None:
    grey = torch.rand(1, 6, 6, generator=generator()).expand(3, 6, 6)
    torch.testing.assert_close(colour.hue_saturation(grey, 77.0, 1.7), grey)
    flat = colour.hue_saturation(picture(), 20.0, 0.0)
    luma = torch.tensor([0.299, 0.587, 0.114])
    torch.testing.assert_close(flat, torch.einsum("c,chw->hw", luma, picture()).expand(3, 12, 10))


def test_a_turn_by_120_degrees_and_back() -> None:
    x = picture()
    back = colour.hue_saturation(colour.hue_saturation(x, 120.0, 1.0), -120.0, 1.0)
    torch.testing.assert_close(back, x)
    red = torch.tensor([0.6, 0.3, 0.3]).reshape(3, 1, 1)
    turned = colour.hue_saturation(red, 60.0, 1.0).flatten().tolist()
    assert colorsys.rgb_to_hsv(*turned)[0] != pytest.approx(0.0, abs=0.05)


def test_hue_and_saturation_commute_with_a_change_of_units() -> None:
    x = picture().double()
    a = colour.hue_saturation(x * 40 - 3, 35.0, 1.4)
    torch.testing.assert_close(a, colour.hue_saturation(x, 35.0, 1.4) * 40 - 3)


def test_a_factor_changes_the_density_of_its_stain_and_nothing_else() -> None:
    """Of an image that has haematoxylin alone."""
    basis = torch.tensor(colour._STAINS)
    basis = basis / basis.norm(dim=1, keepdim=True)
    amount = torch.linspace(0.1, 1.5, 20).reshape(1, 4, 5)
    x = torch.exp(-basis[0].reshape(3, 1, 1) * amount)
    doubled = torch.exp(-basis[0].reshape(3, 1, 1) * amount * 2)
    torch.testing.assert_close(colour.stain(x, (2, 1, 1), (0, 0, 0)), doubled, atol=1e-5, rtol=0)
    torch.testing.assert_close(colour.stain(x, (1, 2, 2), (0, 0, 0)), x, atol=1e-5, rtol=0)


def test_a_draw_is_reproducible_stays_within_bounds_and_leaves_the_mask() -> None:
    augment = build("image", {**NEUTRAL, "hue": [-60, 60], "saturation": [0.2, 1.8], "stain": 0.3})
    mask = torch.ones(1, 12, 10, dtype=torch.uint8)
    first, again, other = (augment(picture(), mask, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.input, again.input)
    assert not torch.equal(first.input, other.input)
    assert torch.equal(first.mask, mask)
    assert set(first.events.drawn) == {"hue", "saturation", "stain"}
    stained = build("image", {**NEUTRAL, "stain": 0.9})
    for seed in range(20):
        values = stained(picture(seed), None, generator(seed)).input
        assert 0 <= float(values.min()) <= float(values.max()) <= 1


def test_an_image_without_colour_is_refused() -> None:
    with pytest.raises(ScantuneError, match="three channels; this one has 1"):
        build("image", {**NEUTRAL, "hue": 10})(picture()[:1], None, generator())
