"""RandAugment against torchvision's, on grey and colour images in any units."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torchvision.transforms import v2

from scantune.augment import build, randaugment, spatial
from scantune.config.augment import RandAugment

OFF = {"rotation": 0, "translation": 0, "zoom": 0, "brightness": 0, "contrast": 0}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_magnitude_is_a_third_of_torchvisions() -> None:
    """Strength 9 of 10 is bin 27 of torchvision's 0 … 30, for every operation that has a strength."""
    theirs = {n.lower(): (f(31, 100, 200), s) for n, (f, s) in v2.RandAugment._AUGMENTATION_SPACE.items()}
    assert len(theirs) == len(randaugment.OPERATIONS)

    def at(name: str) -> float:
        return float(theirs[name][0][27])

    assert pytest.approx(at("shearx")) == 0.3 * 0.9
    assert pytest.approx(at("translatex")) == 150 / 331 * 0.9 * 200
    assert pytest.approx(at("translatey")) == 150 / 331 * 0.9 * 100
    assert pytest.approx(at("rotate")) == 30 * 0.9
    assert pytest.approx(at("brightness")) == 0.9 * 0.9
    assert 8 - round(4 * 0.9) == pytest.approx(at("posterize"))
    assert pytest.approx(at("solarize")) == 1 - 0.9
    ours = {name.replace("_", "") for name in randaugment._SIGNED}
    assert ours == {name for name, (_, signed) in theirs.items() if signed}


def test_turn_and_shift_are_torchvisions() -> None:
    x = torch.rand(1, 32, 32, generator=generator())
    turned = spatial.warp(x, None, randaugment.matrix([("rotate", 0.5)], torch.tensor([32.0, 32.0])))[0]
    theirs = v2.functional.rotate(x, -15, interpolation=v2.InterpolationMode.BILINEAR)
    torch.testing.assert_close(turned[:, 8:24, 8:24], theirs[:, 8:24, 8:24], atol=1e-4, rtol=0)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("name", randaugment._TONES)
def test_every_tone_works_on_any_number_of_channels_and_units(channels: int, name: str) -> None:
    x = torch.rand(channels, 16, 16, generator=generator())
    z = (x - 0.5) * 4  # z-scored
    once, other = (randaugment.tone(v, [(name, 0.6)]) for v in (x, z))
    assert once.shape == x.shape
    assert torch.isfinite(once).all()
    tolerance = 0.03 if name == "equalize" else 2e-3  # its histogram has 256 bins
    if name != "posterize":  # a step lies at every level
        torch.testing.assert_close(other, (once - 0.5) * 4, atol=4 * tolerance, rtol=0)
    # a grey image already fills its own range, and has no colour
    without_effect = (
        {"identity"} | ({"color"} if channels != 3 else set()) | ({"autocontrast"} if channels == 1 else set())
    )
    assert (not torch.allclose(once, x)) == (name not in without_effect)


def test_grey_image_and_its_three_fold_copy_look_alike() -> None:
    grey = torch.rand(1, 16, 16, generator=generator())
    for name in randaugment._TONES:
        one = randaugment.tone(grey, [(name, 0.7)])
        three = randaugment.tone(grey.expand(3, -1, -1).contiguous(), [(name, 0.7)])
        torch.testing.assert_close(three, one.expand(3, -1, -1), atol=1e-3, rtol=0)


def test_operations_and_signs_are_drawn_evenly() -> None:
    drawn = [
        randaugment.draw(generator(seed), RandAugment(enabled=True, num_ops=2, magnitude=5)) for seed in range(1400)
    ]
    counts = Counter(name for pair in drawn for name, _ in pair)
    assert set(counts) == set(randaugment.OPERATIONS)
    assert all(140 < n < 265 for n in counts.values())
    assert {abs(strength) for pair in drawn for _, strength in pair} == {0.5}
    assert all(strength > 0 for pair in drawn for name, strength in pair if name not in randaugment._SIGNED)


def test_moves_take_the_mask_along() -> None:
    x = torch.zeros(1, 40, 40)
    x[:, 12:24, 10:30] = 1.0
    augment = build("image", {**OFF, "randaugment": {"enabled": True, "num_ops": 3, "magnitude": 6}})
    moved = 0
    for seed in range(30):
        result = augment(x, (x > 0).to(torch.uint8), generator(seed))
        mask = result.mask
        assert mask is not None
        if set(result.events.drawn) <= {"identity", *randaugment._MOVES}:
            sure = (result.input > 0.99) | (result.input < 0.01)
            assert torch.equal((result.input > 0.5)[sure], (mask > 0)[sure])
            moved += 1
    assert moved > 0


def test_enabled_alone_takes_the_defaults() -> None:
    x = torch.rand(1, 16, 16, generator=generator())
    augment = build("image", {**OFF, "randaugment": {"enabled": True}})
    drawn = [augment(x, None, generator(seed)).events.drawn for seed in range(20)]
    assert max(len(d) for d in drawn) == 2
    assert {abs(v) for d in drawn for v in d.values()} == {0.9}
    assert not build("image", {**OFF, "randaugment": {"enabled": False}})(x, None, generator()).events.drawn


def test_constant_image_stays() -> None:
    x = torch.full((1, 8, 8), 3.0)
    assert torch.equal(randaugment.tone(x, [("autocontrast", 1.0)]), x)
