"""One sample at a time: alike per seed, mask with input, nothing drawn from the global state."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scantune.augment import build, contact_sheet, spatial
from scantune.config.augment import BY_MODALITY, DEFAULT_SETS, by_probability
from scantune.records import ScantuneError

SHAPES = {"image": (1, 40, 32), "volume": (1, 12, 20, 16), "video": (1, 8, 24, 28)}
OFF = {
    "image": {"rotation": 0, "translation": 0, "zoom": 0, "brightness": 0, "contrast": 0},
    "volume": {"rotation": 0, "translation": 0, "flip_left_right": 0, "contrast": 0, "noise": 0},
    "video": {
        "rotation": 0,
        "translation": 0,
        "zoom": 0,
        "brightness": 0,
        "contrast": 0,
        "noise": 0,
        "temporal_crop": 1,
        "temporal_mask": 0,
    },
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sample(modality: str, seed: int = 0) -> torch.Tensor:
    return torch.randn(SHAPES[modality], generator=generator(seed))


@pytest.mark.parametrize("modality", SHAPES)
def test_same_seed_same_sample_and_other_seed_another(modality: str) -> None:
    augment, x = build(modality, DEFAULT_SETS[modality] | {"p": 1.0}), sample(modality)
    first, again, other = (augment(x, None, generator(seed)).input for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == x.shape
    assert first.dtype == x.dtype


@pytest.mark.parametrize("modality", SHAPES)
def test_input_is_not_changed_in_place(modality: str) -> None:
    x = sample(modality)
    before = x.clone()
    for seed in range(10):
        build(modality, DEFAULT_SETS[modality] | {"p": 1.0})(x, None, generator(seed))
    assert torch.equal(x, before)


@pytest.mark.parametrize("modality", SHAPES)
@pytest.mark.parametrize("off", [{"enabled": False}, "ranges"])
def test_switched_off_it_changes_nothing(modality: str, off: object) -> None:
    x = sample(modality)
    mask = (x > 0).to(torch.uint8)
    augment = build(modality, OFF[modality] if off == "ranges" else off)
    for seed in range(5):
        result = augment(x, mask, generator(seed))
        assert torch.equal(result.input, x)
        assert result.mask is not None
        assert torch.equal(result.mask, mask)
        assert not result.events.flipped
        assert not result.events.drawn


@pytest.mark.parametrize("modality", SHAPES)
def test_global_random_state_is_untouched(modality: str) -> None:
    numpy_state = np.random.get_state
    before = torch.get_rng_state(), numpy_state()[1].copy(), random.getstate()
    settings = {"p": 1.0, **({"randaugment": {}} if modality == "image" else {})}
    build(modality, settings)(sample(modality), None, generator())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(numpy_state()[1], before[1])
    assert random.getstate() == before[2]


@pytest.mark.parametrize("modality", SHAPES)
def test_mask_moves_with_its_input(modality: str) -> None:
    """A bright block and its mask are drawn alike: the warped mask is where the warped block is bright."""
    x = torch.zeros(SHAPES[modality])
    x[..., 6:16, 6:13] = 1.0
    mask = (x > 0).to(torch.uint8)
    geometry = {"p": 1.0, "rotation": [30, 30], "translation": [0.1, 0.1], "zoom": [0.8, 1.2], "flip_left_right": 0.5}
    augment = build(modality, {**OFF[modality], **geometry})
    moved = 0
    for seed in range(20):
        result = augment(x, mask, generator(seed))
        assert result.mask is not None
        assert result.mask.dtype == torch.uint8
        moved += not torch.equal(result.mask, mask)
        sure = (result.input > 0.99) | (result.input < 0.01)  # not where linear and nearest may differ
        assert torch.equal((result.input > 0.5)[sure], (result.mask > 0)[sure])
    assert moved == 20


@pytest.mark.parametrize("modality", SHAPES)
def test_flips_are_exact_and_reported(modality: str) -> None:
    x = sample(modality)
    augment = build(modality, {**OFF[modality], "flip_left_right": 0.5})
    flips = 0
    for seed in range(40):
        result = augment(x, None, generator(seed))
        assert torch.equal(result.input, x.flip(-1) if result.events.flipped else x)
        flips += result.events.flipped
    assert 8 < flips < 32


@pytest.mark.parametrize("modality", ["image", "video"])
def test_anatomy_is_not_mirrored_unless_asked_for(modality: str) -> None:
    augment = build(modality)
    assert not any(augment(sample(modality), None, generator(seed)).events.flipped for seed in range(60))


def test_flip_up_down_is_not_a_change_of_sides() -> None:
    augment = build("image", {**OFF["image"], "flip_up_down": 1.0})
    result = augment(sample("image"), None, generator())
    assert torch.equal(result.input, sample("image").flip(-2))
    assert not result.events.flipped


@pytest.mark.parametrize("modality", SHAPES)
def test_what_is_drawn_lies_in_its_range_and_fills_it(modality: str) -> None:
    ranges = {"rotation": (-7.0, 12.0), "translation": (-0.05, 0.15), "contrast": (0.8, 1.3), "zoom": (0.9, 1.2)}
    augment = build(modality, {**OFF[modality], **ranges, "p": 1.0})
    seen: dict[str, list[float]] = {}
    for seed in range(300):
        for name, value in augment(torch.zeros(1, *[4] * (len(SHAPES[modality]) - 1)), None, generator(seed))[
            2
        ].drawn.items():
            seen.setdefault(name.rstrip("xyz").rstrip("_"), []).append(value)
    for name, (low, high) in ranges.items():
        values = np.array(seen[name])
        assert low <= values.min() < low + 0.1 * (high - low)
        assert high >= values.max() > high - 0.1 * (high - low)
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.06 * (high - low))


def test_probability_is_the_share_of_samples() -> None:
    augment = build("video")
    drawn = [
        augment(torch.rand(1, 4, 4, 4, generator=generator(9)), None, generator(s)).events.drawn for s in range(400)
    ]
    for name in ("brightness", "contrast", "rotation", "translation_x", "zoom", "noise"):
        assert np.mean([name in d for d in drawn]) == pytest.approx(0.5, abs=0.08)


@settings(deadline=None, max_examples=25)
@given(
    modality=st.sampled_from(sorted(SHAPES)),
    scale=st.floats(0.1, 50),
    shift=st.floats(-100, 100),
    seed=st.integers(0, 10_000),
)
def test_same_picture_whatever_the_units(modality: str, scale: float, shift: float, seed: int) -> None:
    """Z-scored, in 0 … 1 or raw: an affine change of units commutes with every transform."""
    x = sample(modality, 3).double()
    augment = build(modality, {"p": 1.0, "noise": 0.1, "brightness": [0.8, 1.2]})
    plain, scaled = (augment(v, None, generator(seed)).input for v in (x, x * scale + shift))
    torch.testing.assert_close(scaled, plain * scale + shift, rtol=1e-4, atol=1e-4 * scale)


@pytest.mark.parametrize("modality", sorted(SHAPES))
def test_p_is_the_probability_of_the_transforms_that_it_is_said_to_be_of(modality: str) -> None:
    others = {"modality", "enabled", "p", "fill", "mixup", "cutmix", "randaugment"}
    block = dict.fromkeys(BY_MODALITY[modality].model_fields.keys() - others, 0.3)
    block |= {"temporal_mask": 1.0} if modality == "video" else {}
    x = sample(modality).expand(3, *SHAPES[modality][1:])
    for p in (0.0, 1.0):
        augment = build(modality, {**block, "p": p})
        drawn = [augment(x, None, generator(seed)).events.drawn for seed in range(40)]
        for name in block:
            share = np.mean([any(one.startswith(name) for one in names) for names in drawn])
            assert bool(share == p) is by_probability(name), name


def test_every_frame_gets_the_same_spatial_draw() -> None:
    frame = torch.randn(1, 1, 24, 28, generator=generator(5))
    still = frame.expand(1, 8, 24, 28).contiguous()
    geometry = {"p": 1.0, "rotation": 20, "translation": 0.1, "zoom": [0.9, 1.1], "flip_left_right": 0.5}
    augment = build("video", {**OFF["video"], **geometry})
    for seed in range(10):
        moved = augment(still, None, generator(seed)).input
        assert torch.equal(moved, moved[:, :1].expand_as(moved))
        assert not torch.equal(moved, still)


def test_noise_differs_between_frames() -> None:
    x = torch.linspace(0, 1, 24 * 28).reshape(1, 1, 24, 28).expand(1, 6, 24, 28).contiguous()
    added = build("video", {**OFF["video"], "p": 1.0, "noise": 0.02})(x, None, generator()).input - x
    assert float(added.std()) == pytest.approx(0.02, rel=0.05)
    assert not torch.equal(added[:, 0], added[:, 1])


def test_noise_and_contrast_of_a_z_scored_volume_are_as_stated() -> None:
    x = torch.randn(1, 24, 32, 32, generator=generator(4))
    noisy = build("volume", {**OFF["volume"], "noise": 0.1})(x, None, generator()).input
    assert float((noisy - x).std()) == pytest.approx(0.1, rel=0.03)
    flat = build("volume", {**OFF["volume"], "contrast": [0.8, 0.8]})(x, None, generator()).input
    torch.testing.assert_close(flat, (x - x.mean()) * 0.8 + x.mean())


def test_temporal_crop_keeps_order_and_invents_no_frame() -> None:
    times = torch.arange(20.0).reshape(1, 20, 1, 1).expand(1, 20, 4, 4).contiguous()
    augment = build("video", {**OFF["video"], "p": 1.0, "temporal_crop": [0.5, 0.9]})
    starts = set()
    for seed in range(30):
        result = augment(times, times.to(torch.uint8), generator(seed))
        frames = result.input[0, :, 0, 0]
        assert set(frames.tolist()) <= set(range(20))
        assert bool((frames.diff() >= 0).all())
        assert frames.unique().numel() == round(result.events.drawn["temporal_crop"] * 20)
        assert result.mask is not None
        assert torch.equal(result.mask[0, :, 0, 0].float(), frames)
        starts.add(float(frames[0]))
    assert len(starts) > 5


def test_temporal_mask_blanks_whole_frames_and_never_all() -> None:
    x = torch.rand(1, 10, 6, 6, generator=generator(2)) + 1
    for share, low, high in [(0.3, 0.2, 0.4), (1.0, 0.89, 0.91)]:
        augment = build("video", {**OFF["video"], "p": 1.0, "temporal_mask": share})
        blank = torch.stack([(augment(x, None, generator(s)).input == x.min()).all((0, 2, 3)) for s in range(50)])
        assert low <= float(blank.float().mean()) <= high
        assert not blank.all(1).any()


def test_turns_and_shifts_go_where_they_are_said_to_go() -> None:
    """Positive degrees turn clockwise as displayed, positive shifts go right and down."""
    x = torch.zeros(1, 21, 21)
    x[0, 2, 10] = 1.0  # above the centre
    turned = spatial.warp(x, None, spatial.rotation(2, [90]))[0]
    assert divmod(int(turned.argmax()), 21) == (10, 18)
    shifted = spatial.warp(x, None, spatial.translation([3, 5]))[0]
    assert divmod(int(shifted.argmax()), 21) == (7, 13)
    larger = spatial.warp(x, None, spatial.zoom(2, 1.25))[0]
    assert divmod(int(larger.argmax()), 21) == (0, 10)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_volume_turns_about_the_axis_named(axis: int) -> None:
    """By hand: x→y→z→x; a point off two axes turned by 90° about the third."""
    x = torch.zeros(1, 21, 21, 21)
    at = [10, 10, 10]  # D, H, W
    first, second = [(1, 0), (0, 2), (2, 1)][axis]  # array axes of the plane's two directions
    at[first], at[second] = 14, 14
    x[(0, *at)] = 1.0
    degrees = [0.0, 0.0, 0.0]
    degrees[axis] = 90.0
    turned = spatial.warp(x, None, spatial.rotation(3, degrees))[0]
    expected = [10, 10, 10]
    expected[first], expected[second] = 6, 14  # (4, 4) → (−4, 4)
    assert np.unravel_index(int(turned.argmax()), (21, 21, 21)) == tuple(expected)


def test_a_turn_stays_a_turn_where_spacing_differs() -> None:
    """Rows twice as far apart as columns: 90° brings 4 rows to 8 columns."""
    x = torch.zeros(1, 21, 41)
    x[0, 6, 20] = 1.0
    turned = spatial.warp(x, None, spatial.rotation(2, [90]), spacing=(2.0, 1.0))[0]
    assert divmod(int(turned.argmax()), 41) == (10, 28)


@settings(deadline=None, max_examples=30)
@given(degrees=st.floats(-40, 40), factor=st.floats(0.7, 1.4), x=st.floats(-4, 4), y=st.floats(-4, 4))
def test_one_pass_is_exact_on_a_plane(degrees: float, factor: float, x: float, y: float) -> None:
    """Linear sampling of a linear picture has no error, so the composed matrix can be checked pixel by pixel."""
    rows, columns = torch.meshgrid(torch.arange(24.0) - 11.5, torch.arange(30.0) - 14.5, indexing="ij")
    picture = (2 * columns + 3 * rows)[None].double()
    forward = spatial.translation([x, y]) @ spatial.rotation(2, [degrees]) @ spatial.zoom(2, factor)
    moved = spatial.warp(picture, None, forward, fill="border")[0][0]
    back = torch.linalg.inv(forward)
    source = torch.stack([columns, rows, torch.ones_like(rows)], -1).double() @ back.T
    inside = (source[..., 0].abs() < 14.4) & (source[..., 1].abs() < 11.4)
    expected = 2 * source[..., 0] + 3 * source[..., 1]
    torch.testing.assert_close(moved[inside], expected[inside], rtol=0, atol=1e-3)


def test_what_comes_in_at_the_border() -> None:
    x = torch.full((1, 8, 8), 5.0)
    x[0, 4, 4] = -2.0
    shift = spatial.translation([3, 0])
    assert float(spatial.warp(x, None, shift)[0][0, 0, 0]) == -2.0
    assert float(spatial.warp(x, None, shift, fill="border")[0][0, 0, 0]) == 5.0


@pytest.mark.parametrize("modality", SHAPES)
def test_a_number_means_in_python_what_it_means_in_params_yaml(modality: str) -> None:
    block = {"p": 1.0, "rotation": 10, "contrast": 0.2}
    assert build(modality, block) == build(modality, BY_MODALITY[modality].model_validate(block))
    assert build(modality, block) == build(modality, {"p": 1.0, "rotation": [-10, 10], "contrast": [0.8, 1.2]})
    still = torch.zeros(1, *[4] * (len(SHAPES[modality]) - 1))
    drawn = [build(modality, block)(still, None, generator(seed)).events.drawn for seed in range(40)]
    turns = [value for one in drawn for name, value in one.items() if name.startswith("rotation")]
    assert -10 <= min(turns) < -8
    assert 8 < max(turns) <= 10


@pytest.mark.parametrize(
    "modality, settings, words",
    [
        ("ultrasound", {}, "image, volume, video"),
        ("image", {"rotation": [5, -5]}, r"augment.rotation: rotation: \[5, -5\] must rise"),
        ("volume", {"noise": "much"}, "noise: 'much'"),
        ("video", {"rotate": 5}, "rotate"),
        ("volume", BY_MODALITY["image"](), "'image' for a sample of 'volume'"),
    ],
)
def test_wrong_settings_are_named(modality: str, settings: dict[str, object], words: str) -> None:
    with pytest.raises(ScantuneError, match=words):
        build(modality, settings)


@pytest.mark.parametrize("x", [torch.zeros(40, 32), torch.zeros(1, 40, 32, dtype=torch.uint8)])
def test_wrong_samples_are_refused(x: torch.Tensor) -> None:
    with pytest.raises(ScantuneError, match=r"\[C, H, W\]"):
        build("image")(x, None, generator())


def test_mask_of_another_space_is_refused() -> None:
    with pytest.raises(ScantuneError, match="differ in space"):
        build("image")(torch.zeros(1, 8, 8), torch.zeros(1, 8, 9), generator())


@pytest.mark.parametrize("modality", SHAPES)
def test_contact_sheet_shows_originals_first(modality: str) -> None:
    inputs = [sample(modality, seed) for seed in range(3)]
    sheet = contact_sheet(inputs, build(modality, OFF[modality]), modality=modality, draws=4, side=32)
    assert sheet.dtype == np.uint8
    assert sheet.shape[0] == 3 * 34
    tile = sheet.shape[1] // 5
    assert np.array_equal(sheet[:, :tile], sheet[:, tile : 2 * tile])
    assert np.array_equal(
        sheet, contact_sheet(inputs, build(modality, OFF[modality]), modality=modality, draws=4, side=32)
    )
    changed = contact_sheet(
        inputs, build(modality, DEFAULT_SETS[modality] | {"p": 1.0}), modality=modality, draws=4, side=32
    )
    assert np.array_equal(sheet[:, :tile], changed[:, :tile])
    assert not np.array_equal(sheet, changed)


def test_contact_sheet_keeps_colour() -> None:
    sheet = contact_sheet(
        [torch.rand(3, 20, 20, generator=generator())], build("image"), modality="image", draws=2, side=20
    )
    assert sheet.shape == (22, 3 * 22, 3)


def test_contact_sheet_of_a_loop_in_colour_shows_a_blanked_frame() -> None:
    loop = torch.rand(3, 4, 20, 20, generator=generator())
    block = build("video", {"temporal_mask": 0.5, "p": 1.0})
    sheet = contact_sheet([loop], block, modality="video", draws=8, side=20)
    assert sheet.shape == (22, 9 * 22, 3)
    assert any(not sheet[:20, start : start + 20].any() for start in range(0, 9 * 22, 22))


def test_contact_sheet_hangs_slices_as_radiologists_do() -> None:
    x = torch.zeros(1, 3, 16, 16)
    x[..., 12:, :4] = 1.0  # anterior, left
    sheet = contact_sheet([x], build("volume", {"enabled": False}), modality="volume", draws=1, side=16, gap=0)
    assert sheet[:4, 12:16].min() > 200
    assert sheet[8:, :16].max() == 0


@pytest.mark.parametrize("modality", ["image", "volume"])
def test_a_crop_is_the_middle_of_what_the_whole_becomes(modality):
    shape = SHAPES[modality]
    crop = tuple(n // 2 for n in shape[1:])
    picture = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    mask = (picture > 0.5).to(torch.uint8)
    block = {"rotation": [10, 10], "zoom": [1.1, 1.1], "p": 1.0}
    spacing = [3.0, 1.0, 1.5][-len(crop) :]
    whole = build(modality, block, spacing=spacing)(picture, mask, torch.Generator().manual_seed(4))
    part = build(modality, block, spacing=spacing, crop=crop)(picture, mask, torch.Generator().manual_seed(4))
    assert torch.allclose(part.input, spatial.middle(whole.input, crop), atol=1e-5)
    assert (part.mask != spatial.middle(whole.mask, crop)).float().mean() < 0.01
    mirrored = build(modality, {"flip_left_right": 1.0}, crop=crop)(picture, mask, torch.Generator())
    assert torch.equal(mirrored.input, spatial.middle(picture, crop).flip(-1))


@pytest.mark.parametrize("modality", ["image", "volume"])
def test_gamma_blur_and_low_resolution_leave_the_mask_alone(modality):
    picture = torch.rand(SHAPES[modality], generator=torch.Generator().manual_seed(0)) * 50 - 20
    mask = (picture > 0).to(torch.uint8)

    def of(**keys):
        sample = build(modality, {**keys, "p": 1.0})(picture, mask, torch.Generator().manual_seed(1))
        assert torch.equal(sample.mask, mask)
        assert set(sample.events.drawn) == set(keys)
        return sample.input

    dark = of(gamma=[2, 2])
    expected = ((picture - picture.min()) / (picture.max() - picture.min())) ** 2
    torch.testing.assert_close(dark, expected * (picture.max() - picture.min()) + picture.min())
    from scipy.ndimage import gaussian_filter

    peer = gaussian_filter(picture.numpy(), (0, *(1.0,) * (picture.ndim - 1)), mode="mirror", truncate=3.0)
    np.testing.assert_allclose(of(blur=1.0).numpy(), peer, atol=1e-3)
    coarse = of(low_resolution=[0.5, 0.5])
    assert coarse.shape == picture.shape
    assert coarse.std() < picture.std()


@pytest.mark.parametrize("modality", ["image", "volume"])
def test_an_elastic_change_moves_input_and_mask_alike(modality):
    shape = SHAPES[modality]
    space = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in shape[1:]), indexing="ij")
    disc = (sum(axis**2 for axis in space) < 0.4).float()[None]
    keys = {"elastic": [0.03, 0.03], "p": 1.0}
    moved = build(modality, keys)(disc, disc.to(torch.uint8), torch.Generator().manual_seed(2))
    again = build(modality, keys)(disc, disc.to(torch.uint8), torch.Generator().manual_seed(2))
    assert torch.equal(moved.input, again.input)
    changed = (moved.mask != disc.to(torch.uint8)).float().mean()
    assert 0 < changed < 0.2
    assert ((moved.input > 0.5) != moved.mask.bool()).float().mean() < 0.05
    cropped = build(modality, keys, crop=[n // 2 for n in shape[1:]])
    assert all(a > n // 2 for a, n in zip(cropped.around, shape[1:]))


def test_what_is_off_draws_no_number():
    picture = torch.rand(SHAPES["image"])
    one, two = torch.Generator().manual_seed(0), torch.Generator().manual_seed(0)
    build("image", {"noise": 0.1})(picture, None, one)
    build("image", {"noise": 0.1, "gamma": 0, "elastic": 0, "blur": 0, "low_resolution": 1})(picture, None, two)
    assert torch.equal(one.get_state(), two.get_state())


def test_beyond_the_border_an_image_and_its_mask_are_mirrored_where_asked() -> None:
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(3, 8, 8, generator=generator) + 1
    mask = (torch.rand(1, 8, 8, generator=generator) > 0.5).to(torch.uint8)
    block = {"zoom": [0.5, 0.5], "rotation": [30, 30], "p": 1.0}
    dark, mirrored = (build("image", block | more)(picture, mask, generator) for more in ({}, {"fill": "mirror"}))
    assert float(dark.input[0, 0, 0]) == float(picture[0].min())
    # The same turn of a picture that was mirrored beforehand on every side.
    around = [torch.from_numpy(np.pad(t.numpy(), ((0, 0), (8, 8), (8, 8)), "symmetric")) for t in (picture, mask)]
    forward = spatial.rotation(2, [30]) @ spatial.zoom(2, 0.5)
    expected, labels = spatial.warp(*around, forward, crop=(8, 8))
    torch.testing.assert_close(mirrored.input, expected, rtol=0, atol=1e-5)
    assert torch.equal(mirrored.mask, labels)
    assert mirrored.mask.any(1).all()
