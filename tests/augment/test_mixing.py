"""MixUp, CutMix and spoiled partners."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from scantune.augment import cutmix, mixup, spoil
from scantune.records import ScantuneError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


INPUTS = torch.arange(6.0).reshape(6, 1, 1, 1).expand(6, 2, 20, 30).contiguous()
TARGETS = torch.arange(6)


def test_mixup_blends_with_the_share_of_the_first_target() -> None:
    for seed in range(20):
        mixed = mixup(INPUTS, TARGETS, generator(seed), alpha=0.8)
        expected = mixed.lam * mixed.target + (1 - mixed.lam) * mixed.target_b
        torch.testing.assert_close(mixed.inputs, expected[:, None, None, None].float().expand_as(INPUTS))
        assert torch.equal(mixed.target, TARGETS)
        assert sorted(mixed.target_b.tolist()) == list(range(6))
        assert 0 <= mixed.lam <= 1


def test_mixup_share_follows_the_beta_distribution() -> None:
    """Beta(α, α) has mean 1/2 and variance 1 / (4 (2α + 1))."""
    drawn = np.array([mixup(INPUTS[:2], TARGETS[:2], generator(s), alpha=0.2).lam for s in range(1500)])
    assert drawn.mean() == pytest.approx(0.5, abs=0.03)
    assert drawn.var() == pytest.approx(1 / (4 * 1.4), rel=0.06)


@pytest.mark.parametrize("shape, dims", [((6, 2, 20, 30), 2), ((6, 1, 8, 10, 12), 3), ((6, 3, 4, 16, 16), 2)])
def test_cutmix_share_is_the_area_that_is_left(shape: tuple[int, ...], dims: int) -> None:
    inputs = torch.arange(6.0).reshape(6, *[1] * (len(shape) - 1)).expand(shape).contiguous()
    shares = []
    for seed in range(60):
        mixed = cutmix(inputs, TARGETS, generator(seed), dims=dims)
        for row, first, second in zip(mixed.inputs, mixed.target, mixed.target_b):
            assert set(row.unique().tolist()) <= {float(first), float(second)}
            if first != second:
                assert float((row == first).float().mean()) == pytest.approx(mixed.lam, abs=1e-6)
        shares.append(mixed.lam)
    assert min(shares) < 0.5
    assert max(shares) > 0.9


def test_cutmix_of_a_video_is_alike_in_every_frame() -> None:
    inputs = torch.arange(4.0).reshape(4, 1, 1, 1, 1).expand(4, 1, 5, 16, 16).contiguous()
    mixed = cutmix(inputs, torch.arange(4), generator(3), dims=2).inputs
    assert torch.equal(mixed, mixed[:, :, :1].expand_as(mixed))


def test_cutmix_of_masks_pastes_the_same_box() -> None:
    masks = (INPUTS[:, 0] > 2).long()
    mixed = cutmix(INPUTS, masks, generator(1))
    assert torch.equal(mixed.target, (mixed.inputs[:, 0] > 2).long())
    assert mixed.lam == 1.0


@pytest.mark.parametrize("mix", [mixup, cutmix])
def test_mixing_is_alike_per_seed_and_leaves_its_input_and_the_global_state(mix: object) -> None:
    state, before = torch.get_rng_state(), INPUTS.clone()
    first, again = mix(INPUTS, TARGETS, generator(5)), mix(INPUTS, TARGETS, generator(5))  # type: ignore[operator]
    assert torch.equal(first.inputs, again.inputs)
    assert first.lam == again.lam
    assert torch.equal(INPUTS, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_spoiled_copy_is_flatter_softer_and_noisier() -> None:
    x = (torch.arange(64)[None, :] // 8 % 2).float().expand(64, 64)[None].contiguous()
    flat = spoil(x, generator(), noise=0, blur=1, contrast=0.5)
    torch.testing.assert_close(flat, (x - x.mean()) / 2 + x.mean())
    noisy = spoil(torch.linspace(0, 1, 4096).reshape(1, 64, 64), generator(), noise=0.2, blur=1, contrast=1)
    assert float((noisy - torch.linspace(0, 1, 4096).reshape(1, 64, 64)).std()) == pytest.approx(0.2, rel=0.05)
    assert torch.equal(spoil(x, generator(4)), spoil(x, generator(4)))


@pytest.mark.parametrize("kernel", [3, 5, 9])
def test_blur_is_that_of_opencv(kernel: int) -> None:
    x = torch.randn(2, 30, 40, generator=generator())
    ours = spoil(x, generator(), noise=0, blur=kernel, contrast=1)
    sigma = 0.3 * ((kernel - 1) * 0.5 - 1) + 0.8  # its own rule, which it leaves for small kernels
    theirs = np.stack(
        [cv2.GaussianBlur(c.numpy(), (kernel, kernel), sigma, borderType=cv2.BORDER_REFLECT_101) for c in x]
    )
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5)


def test_blur_of_a_volume_goes_through_its_slices() -> None:
    x = torch.zeros(1, 9, 9, 9)
    x[0, 4, 4, 4] = 1.0
    assert float(spoil(x, generator(), noise=0, contrast=1, dims=2)[0, 3].abs().sum()) == 0
    assert float(spoil(x, generator(), noise=0, contrast=1, dims=3)[0, 3].abs().sum()) > 0.1


def test_even_kernel_is_refused() -> None:
    with pytest.raises(ScantuneError, match=r"blur: .*odd.*4"):
        spoil(INPUTS[0], generator(), blur=4)
