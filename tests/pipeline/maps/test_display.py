"""A sample as a reader sees it: its display copy with the letters of its sides, or the tensor where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scantune.cohort.manifest import Sample
from scantune.pipeline.maps.display import letters_of, sample_view
from scantune.preprocess import display_copy, store
from scantune.preprocess.display_copy import DisplayCopy
from scantune.tasks.errors import SampleError


@pytest.mark.parametrize(
    ("facts", "sides"),
    [
        ({"patient_orientation": ["L", "F"], "view": None}, ("R", "L")),
        ({"patient_orientation": ["R", "F"], "view": "PA"}, ("L", "R")),  # mirrored: the header is believed
        ({"patient_orientation": ["P", "F"]}, ("A", "P")),
        ({"patient_orientation": ["AR", "F"]}, ("PL", "AR")),
        ({"patient_orientation": None, "view": "PA"}, ("R", "L")),
        ({"patient_orientation": None, "view": "AP"}, ("R", "L")),
        ({"patient_orientation": None, "view": "MLO"}, None),
        ({}, None),
    ],
)
def test_sides_are_what_the_header_says(facts: dict, sides: tuple[str, str] | None) -> None:
    assert letters_of(facts) == sides


def test_a_sample_is_shown_by_its_display_copy_and_as_the_network_saw_it_where_there_is_none(tmp_path: Path) -> None:
    path, settings = tmp_path / "samples" / "s.safetensors", {"modality": "image", "shape": [32, 32]}
    path.parent.mkdir()
    store.save(path, {"input": np.full((1, 32, 32), 51, np.uint8)}, {"reading": {"own_size": [120, 90], "view": "PA"}})
    member = Sample("s", "p", "test", None, (1, 32, 32), {}, {}, {}, {})
    error = SampleError(0.0, False, "", "a", "b", sample_id="s")
    assert sample_view(member, path, error, settings).image.shape == (32, 32)
    copy = DisplayCopy(np.random.default_rng(0).integers(0, 256, (60, 45)).astype(np.uint8), (1500, 2500), (0.2, 0.2))
    display_copy.write(tmp_path / "display" / "s.safetensors", copy)
    view = sample_view(member, path, error, settings)
    np.testing.assert_allclose(view.image, copy.image)
    assert (view.window, view.spacing, view.sides) == ((1500, 2500), (0.2, 0.2), ("R", "L"))
    assert view.box == pytest.approx((0, -7.5, 60, 60), abs=1)  # padded at both sides, in pixels of the copy
    assert sample_view(member, path, error, settings, as_prepared=True).image.shape == (32, 32)
    display_copy.write(tmp_path / "display" / "s.safetensors", None)
    assert sample_view(member, path, error, settings).image.shape == (32, 32)
