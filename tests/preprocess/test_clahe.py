"""CLAHE is one whatever the depth of a picture: the limit of a bin holds for 8 bits and for floats alike."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from scantune import io
from scantune.preprocess.clahe import equalised, spread
from tests.preprocess.direct import prepare_image


def dull(height: int, width: int) -> np.ndarray:
    """Smooth shading and noise in the middle third of 0 … 1, float32."""
    rows, columns = np.mgrid[:height, :width] / 60
    noise = np.random.default_rng(0).normal(size=(height, width))
    shading = 0.5 + 0.06 * np.sin(3 * rows) + 0.05 * np.cos(4 * columns) + 0.01 * noise
    return np.clip(shading, 0, 1).astype(np.float32)


@pytest.mark.parametrize("size", [(128, 128), (96, 40), (33, 57), (9, 200)])
@pytest.mark.parametrize("clip", [1.0, 2.0, 10.0, 100.0])
@pytest.mark.parametrize("tiles", [1, 4, 8])
def test_values_of_8_bits_become_those_of_opencv_to_one_grey_level(size, clip, tiles):
    grey = np.rint(dull(*size) * 255).astype(np.uint8)
    reference = cv2.createCLAHE(clipLimit=clip, tileGridSize=(tiles, tiles))
    padded = np.pad(grey, ((0, -size[0] % tiles), (0, -size[1] % tiles)), mode="reflect")
    expected = reference.apply(padded)[: size[0], : size[1]]
    result = spread(grey.astype(np.float32) / np.float32(255), clip, tiles)
    assert np.abs(result * 255 - expected).max() <= 1.001


def test_a_lower_limit_spreads_less_and_no_grey_level_is_lost():
    picture = dull(120, 120)
    spreads = [float(spread(picture, clip, 4).std()) for clip in (1.0, 3.0, 10.0)]
    assert picture.std() < spreads[0] < spreads[1] < spreads[2]
    assert len(np.unique(spread(picture, 3.0, 4))) > 0.9 * len(np.unique(picture))


def test_a_picture_of_8_and_one_of_16_bits_are_equalised_alike(tmp_path):
    grey = np.rint(dull(80, 80) * 255).astype(np.uint8)
    io.write_png(tmp_path / "8.png", grey)
    io.write_png(tmp_path / "16.png", grey.astype(np.uint16) * 257)
    keys = {"intensity": {"name": "percentile"}, "clahe": {"clip": 4.0, "tiles": 4}, "dtype": "float32"}
    eight, sixteen = (prepare_image([tmp_path / name], **keys).tensor for name in ("8.png", "16.png"))
    plain = prepare_image([tmp_path / "16.png"], **{**keys, "clahe": None}).tensor
    np.testing.assert_allclose(eight, sixteen, atol=1e-4)
    assert np.abs(sixteen - plain).max() > 0.05


def test_colour_keeps_its_hue_at_any_depth():
    """On the lightness: equalising red, green and blue each by itself makes a picture grey."""
    grey = dull(96, 96)
    picture = np.stack([np.clip(grey + 0.25, 0, 1), grey, np.clip(grey - 0.25, 0, 1)], axis=2)
    eight = np.rint(picture * 255).astype(np.uint8)
    one = equalised(picture, clip=3.0, tiles=4, colour=True)
    other = equalised(eight, clip=3.0, tiles=4, colour=True) / 255
    assert np.abs(one - other).mean() < 0.02
    assert (one[..., 0] > one[..., 1]).all()
    assert (one[..., 1] > one[..., 2]).all()


def test_files_that_become_channels_are_not_taken_for_red_green_and_blue(tmp_path):
    values = [np.rint(np.roll(dull(64, 64), 20 * n, axis=1) * 255).astype(np.uint8) for n in range(3)]
    paths = [io.write_png(tmp_path / f"{n}.png", value) for n, value in enumerate(values)]
    keys = {"clahe": {"clip": 3.0, "tiles": 4}}
    together = prepare_image(paths, **keys).tensor
    alone = np.concatenate([prepare_image([path], **keys).tensor for path in paths])
    np.testing.assert_array_equal(together, alone)
