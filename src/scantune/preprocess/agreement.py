"""Whether cached tensors, a model and the block of an input agree on how files become tensors."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from scantune.config.base import SAVED
from scantune.config.input import InputConfig
from scantune.files import write_json
from scantune.preprocess.settings import OF_THE_NETWORK, patch_shape, what_matters
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.config.input import InputConfig

#: Beside ``manifest.csv``: the settings that its tensors were prepared with. What trains depends on it.
INPUT = "input.json"


def write_input(cache: Path, settings: InputConfig | Mapping[str, Any]) -> None:
    """Write ``input.json``: the settings that the tensors depend on, and what a network sees of them."""
    write_json(cache / INPUT, _complete_settings(settings), sort_keys=True)


def read_input(cache: Path) -> dict[str, Any]:
    """Read ``input.json`` of a cache folder.

    Raises:
        ScantuneError: not found.
    """
    path = cache / INPUT
    if not path.is_file():
        raise ScantuneError(f"{path}: not here; run: dvc repro -f preprocess@{cache.name}")
    settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return settings


def differing(first: Any, second: Any) -> dict[str, tuple[Any, Any]]:
    """Settings that the tensor depends on and that differ: key to both values. A key that one lacks has its default.

    Args:
        first: a block of ``inputs:``, or the same as a mapping.
        second: the other.
    """
    one, other = _complete_settings(first), _complete_settings(second)
    return {
        key: (one.get(key), other.get(key))
        for key in sorted(one.keys() | other.keys())
        if one.get(key) != other.get(key)
    }


def _complete_settings(settings: InputConfig | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(settings, Mapping):
        with contextlib.suppress(ValidationError):  # of another version: compared unchanged
            settings = TypeAdapter(InputConfig).validate_python({"dataset": "any", **settings}, context=SAVED)
    modality, options = what_matters(settings)
    options.pop("max_voxels", None)  # decides which files are refused, not what becomes of the others
    plain = dict(settings) if isinstance(settings, Mapping) else settings.model_dump(mode="json")
    seen = {key: plain[key] for key in OF_THE_NETWORK if key in plain} if plain.get("patch") else {}
    return {"modality": modality, **options, **seen}


def spatial_shape(settings: InputConfig | Mapping[str, Any]) -> tuple[int, ...] | None:
    """Spatial shape of a tensor [C, …] under the settings: (H, W), (D, H, W) or (T, H, W); None: the file's own."""
    complete = _complete_settings(settings)
    if complete.get("shape") is None:
        return None
    edges = tuple(int(n) for n in complete["shape"])
    if complete["modality"] == "volume":
        return edges[::-1]  # R, A, S -> D, H, W
    return (int(complete["frames"]), *edges) if complete["modality"] == "video" else edges


def check_cache(
    name: str, settings: InputConfig | Mapping[str, Any], cache: Path, shapes: Iterable[Sequence[int]] = ()
) -> None:
    """Check that cached tensors were prepared with the settings of their input block.

    Args:
        name: of the block in ``inputs``.
        settings: the block.
        cache: ``data/cache/<input>``.
        shapes: of the tensors, [C, …], as ``manifest.csv`` has them.

    Raises:
        ScantuneError: they were not; which keys, both values, what to run.
    """
    remedy = f"run: dvc repro -f preprocess@{name}"
    odd = differing(settings, read_input(cache))
    if odd:
        differences = "; ".join(
            f"inputs.{name}.{key} is {now}, but they were prepared with {was}" for key, (now, was) in odd.items()
        )
        raise ScantuneError(f"{cache}: the tensors do not fit the input block: {differences}. {remedy}")
    expected = spatial_shape(settings)
    for shape in sorted({tuple(shape) for shape in shapes}):
        if expected is not None and shape[1:] != expected:
            mismatch = (
                f"manifest.csv has tensors of {_times(shape[1:])}, but inputs.{name}.shape gives {_times(expected)}"
            )
            raise ScantuneError(f"{cache}: {mismatch}. {remedy}")


def check_model(model: str, settings: Mapping[str, Any], cache: Path) -> None:
    """That cached tensors are prepared as those were that a model was trained on.

    Args:
        model: its name, for the message.
        settings: its ``input`` block.
        cache: ``data/cache/<input>``.

    Raises:
        ScantuneError: they are not; which keys, both values, what to run.
    """
    odd = differing(read_input(cache), settings)
    if odd:
        differences = "; ".join(f"{key} is {now} in {cache}, {was} in the model" for key, (now, was) in odd.items())
        raise ScantuneError(
            f"the model {model!r} was trained on tensors prepared differently: {differences}. Train it again"
        )


def check_facts(model: str, settings: InputConfig | Mapping[str, Any], trained_on: Sequence[int] | None) -> None:
    """Check that a model's input block yields the tensor shape that its networks were trained on.

    Args:
        model: its name, for the message.
        settings: its ``input`` block.
        trained_on: shape [C, …] of the tensors it was trained on; None if the model does not record it.

    Raises:
        ScantuneError: the shapes differ; with both.
    """
    expected = patch_shape(settings) or spatial_shape(settings)
    if expected is None or trained_on is None or tuple(trained_on[1:]) == expected:
        return
    raise ScantuneError(
        f"the model {model!r}: its input block gives tensors of {_times(expected)}, but its networks were trained on "
        f"{_times(trained_on[1:])}. Train it again"
    )


def _times(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))
