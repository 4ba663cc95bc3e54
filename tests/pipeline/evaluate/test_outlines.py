"""Outlines of reference and model, beside an enlargement of the worst place."""

from __future__ import annotations

import numpy as np

from scantune.mask_codes import IGNORED
from scantune.pipeline.evaluate.outlines import ENLARGED, MODEL, REFERENCE, outlined, worst_place


def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture with a line that the model misses at one place."""
    reference = np.zeros((120, 160), np.uint8)
    reference[58:61, 10:150] = 1
    prediction = reference.copy()
    prediction[:, 100:115] = 0
    return np.full(reference.shape, 0.5), prediction, reference


def colours(picture: np.ndarray, colour: tuple[float, float, float]) -> np.ndarray:
    return np.isclose(picture, colour).all(axis=-1)


def test_the_worst_place_is_beside_the_picture_and_enlarged():
    picture, prediction, reference = scene()
    drawn, views = outlined(picture, prediction, reference)
    assert (drawn.shape, views) == ((120, 320, 3), 2)
    rows, columns = worst_place(prediction != reference)
    assert rows.start <= 58 < 61 <= rows.stop
    assert columns.start <= 100 < 115 <= columns.stop
    assert (rows.stop - rows.start, columns.stop - columns.start) == (30, 40)
    zoom = drawn[:, 160:]
    missed = colours(zoom, REFERENCE)[:, (100 - columns.start) * ENLARGED : (115 - columns.start) * ENLARGED]
    assert missed.any(axis=0).all(), "the reference alone runs through the gap"
    assert colours(zoom, MODEL).any()
    assert (drawn[rows.start, columns.start : columns.stop] == 1).all(), "the place is framed"


def test_a_small_picture_and_one_without_a_difference_stay_alone():
    picture, _, reference = scene()
    assert outlined(picture, reference, reference)[1] == 1
    assert outlined(picture[:40, :40], 1 - reference[:40, :40], reference[:40, :40])[1] == 1


def test_what_does_not_count_is_neither_a_difference_nor_drawn():
    picture, prediction, reference = scene()
    reference[:, 95:] = IGNORED
    drawn, views = outlined(picture, prediction, reference)
    assert views == 1
    assert not (colours(drawn, MODEL) | colours(drawn, REFERENCE))[:, 95:].any()


def test_a_mask_that_fills_the_picture_is_seen() -> None:
    picture, mask = np.zeros((20, 30)), np.ones((20, 30), np.uint8)
    drawn, _ = outlined(picture, mask, np.zeros_like(mask))
    orange = (drawn[:, :30] == MODEL).all(axis=2)
    assert orange[0].all()
    assert orange[:, -1].all()
    assert not orange[1:-1, 1:-1].any()
