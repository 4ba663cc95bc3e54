"""Settings of an input without effect are refused in ``params.yaml``, and taken of a model that was saved with them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from scantune.config.base import SAVED
from scantune.config.input import InputConfig
from scantune.config.load import ConfigError, parse
from tests.config.test_load import changed

WITHOUT_EFFECT: list[tuple[dict[str, Any], str]] = [
    ({"modality": "volume", "shape": [8, 8, 8], "crop": "foreground"}, "crop: foreground has no effect beside shape"),
    (
        {"modality": "volume", "shape": [8, 8, 8], "overlap": 0.25},
        "overlap: 0.25 is of windows .* add patch or remove",
    ),
    ({"modality": "image", "shape": [8, 8], "overlap": 0.0}, "overlap: 0.0 is of windows .* add patch or remove"),
    (
        {"modality": "image", "shape": [8, 8], "window_precision": "bf16"},
        "window_precision: bf16 is of windows .* add patch or remove",
    ),
    ({"modality": "image", "dtype": "uint8", "intensity": "zscore"}, "dtype: uint8 needs values of 0 … 1"),
    ({"modality": "image", "resize": "stretch"}, "resize: stretch has no effect without shape"),
    ({"modality": "volume", "intensity": "window"}, "intensity: window needs center and width in volumes"),
]


@pytest.mark.parametrize(("block", "why"), WITHOUT_EFFECT)
def test_settings_without_effect_are_refused(block: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=f"inputs.knees: {why}"):
        parse(changed("inputs.knees", {"dataset": "knees", **block}))


def test_the_address_of_a_cluster_without_one_is_refused() -> None:
    block = {"dataset": "knees", "modality": "image", "shape": [8, 8], "backend": {"address": "tcp://10.0.0.1:8786"}}
    with pytest.raises(ConfigError, match=r"inputs\.knees\.backend: address is of a cluster, and the backend is proc"):
        parse(changed("inputs.knees", block))


@pytest.mark.parametrize(("block", "why"), WITHOUT_EFFECT)
def test_a_saved_block_is_taken_as_it_was_and_told(block: dict[str, Any], why: str) -> None:
    saved = TypeAdapter(InputConfig).validate_python({"dataset": "knees", **block}, context=SAVED)
    assert len(list(saved.faults())) == 1


@pytest.mark.parametrize(
    "block",
    [
        {"modality": "volume", "crop": "foreground"},
        {"modality": "volume", "shape": [8, 8, 8], "center": "foreground"},
        {"modality": "volume", "patch": [8, 8, 8], "overlap": 0.25, "crop": "foreground"},
        {"modality": "image", "patch": [8, 8], "overlap": 0.0},
        {"modality": "image", "shape": [8, 8], "overlap": 0.5},
        {"modality": "image", "shape": [8, 8], "resize": "stretch"},
        {"modality": "image", "backend": {"name": "dask", "address": "tcp://10.0.0.1:8786"}},
    ],
)
def test_those_with_effect_and_defaults_are_read(block: dict[str, Any]) -> None:
    assert not list(TypeAdapter(InputConfig).validate_python({"dataset": "knees", **block}).faults())
