"""All steps from a head to a brain, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from scantune.io.arrays import Volume
from scantune.packaged import require
from scantune.preprocess.brain.bias_field import without_bias_field
from scantune.preprocess.brain.extraction import brain_mask, millilitres
from scantune.preprocess.brain.registration import moved, register
from scantune.preprocess.grid import Grid, resample
from scantune.records import ReadError


@dataclass(frozen=True, eq=False)
class BrainSpace:
    """Brains without their heads.

    Attributes:
        volumes: one per channel, [D, H, W], voxels outside the brain marked as empty; in the template's space where
            registered.
        to_template: float64 [4, 4], RAS+ mm of the scan → of the space that ``volumes`` are in; the identity where
            nothing is registered.
        facts: JSON-serialisable.
    """

    volumes: list[Volume]
    to_template: np.ndarray
    facts: Mapping[str, Any]


def into_brain_space(
    volumes: Sequence[Volume],
    *,
    extract: Literal["deepbet", "stripped"],
    bias_field: bool,
    registration: Literal["none", "rigid", "affine"],
    min_overlap: float,
) -> BrainSpace:
    """Extraction, bias field and registration of one scan.

    Args:
        volumes: channels of one scan, the first T1-weighted; extraction and registration use that one.
        extract: "deepbet", or "stripped" where the files contain brains without skull, 0 outside.
        bias_field: remove each channel's bias field by N4.
        registration: transform to the template.
        min_overlap: Dice with the template's brain that a registration must reach.

    Raises:
        ReadError: no brain found, a channel without any of it, or the registered brain does not lie on the template's.
        PackageError: the extra ``brain`` is not installed.
    """
    if bias_field or registration != "none":
        require("SimpleITK", "brain.bias_field" if bias_field else "brain.registration", "brain")
    first = volumes[0]
    mask = brain_mask(first) if extract == "deepbet" else _stripped(first)
    facts: dict[str, Any] = {"volume_ml": round(millilitres(mask, first), 1)}
    masks = [mask if channel is first else _on_grid(mask, first, channel) for channel in volumes]
    for number, inside in enumerate(masks, start=1):
        if not inside.any():
            raise ReadError(f"channel {number} of {len(masks)} shows nothing of the brain in the first")
    arrays = [np.asarray(channel.array, dtype=np.float32) for channel in volumes]
    if bias_field:
        corrected = [without_bias_field(channel, inside) for channel, inside in zip(volumes, masks, strict=True)]
        arrays, facts["bias_field"] = [array for array, _ in corrected], [round(ratio, 3) for _, ratio in corrected]
    brains = [
        Volume(_emptied(array, inside), channel.affine, channel.facts, ~inside)
        for array, inside, channel in zip(arrays, masks, volumes, strict=True)
    ]
    if registration == "none":
        return BrainSpace(brains, np.eye(4), facts)
    placed = register(brains[0], mask, registration)
    facts |= {"registration": registration, "overlap": round(placed.overlap, 3)}
    facts["to_template"] = np.round(placed.to_template, 6).tolist()
    if placed.overlap < min_overlap:
        raise ReadError(
            f"the registered brain overlaps the template's with a Dice of {placed.overlap:.2f}, below "
            f"{min_overlap:g} (brain.min_overlap)"
        )
    to_template = np.array(facts["to_template"])  # what is stored is what is used
    return BrainSpace([moved(brain, to_template) for brain in brains], to_template, facts)


def _stripped(volume: Volume) -> np.ndarray:
    mask = volume.array > volume.array.min()
    if not mask.any():
        raise ReadError("the scan is constant")
    if mask.mean() > 0.9:
        raise ReadError("brain.extract is 'stripped', but the scan has hardly any background: is the skull in it?")
    return mask


def _emptied(array: np.ndarray, inside: np.ndarray) -> np.ndarray:
    return np.where(inside, array, array[inside].min()).astype(np.float32)


def _on_grid(mask: np.ndarray, source: Volume, target: Volume) -> np.ndarray:
    depth, height, width = target.array.shape
    grid = Grid((depth, height, width), target.affine)
    return resample(Volume(mask.astype(np.float32), source.affine), grid, fill=0.0) > 0.5
