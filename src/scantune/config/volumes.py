"""Blocks of volume inputs: which of several volumes in one file, and the brain of a head."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from scantune.config.base import Block


class VolumeChoice(Block):
    """Which of several volumes in one series or 4D file; all that is written must hold."""

    index: int | None = Field(default=None, ge=0)
    """Place in the order of acquisition, from 0."""
    b_value: float | None = Field(default=None, ge=0.0)
    """Diffusion weighting, s/mm²."""
    echo_time: float | None = Field(default=None, ge=0.0)
    """Echo time, ms."""
    echo: float | None = None
    """Number of the echo."""
    inversion_time: float | None = None
    """Inversion time, ms."""
    flip_angle: float | None = None
    """Flip angle, degrees."""
    time: float | None = None
    """Temporal position."""
    trigger_time: float | None = None
    """Time after the trigger, ms."""
    acquisition: float | None = None
    """Acquisition number."""
    component: Literal["magnitude", "phase", "real", "imaginary", "mixed"] | None = None
    """Part of a complex value."""
    label: Literal["control", "label"] | None = None
    """Arterial spin labelling."""
    stack: float | str | None = None
    """Stack of an enhanced file, as the list of volumes shows it."""
    kernel: str | None = None
    """Reconstruction kernel of CT, as the list of volumes shows it."""
    tube_voltage: float | None = None
    """Tube voltage of CT, kV."""
    take: Literal["first", "mean"] | None = None
    """If several volumes match: the first, or their mean. Without it more than one excludes the sample."""

    @model_validator(mode="after")
    def _any(self) -> VolumeChoice:
        if all(value is None for value in self.model_dump().values()):
            raise ValueError("name a volume: {index: 0}, {b_value: 0}, {echo_time: 4.92} …")
        return self


class Brain(Block):
    """From a T1-weighted head as it leaves the scanner to its brain in a template's space (extra ``brain``)."""

    extract: Literal["deepbet", "stripped"] = "deepbet"
    """deepbet's network finds the brain; ``stripped``: the files hold brains without skull already."""
    bias_field: bool = True
    """Remove slow changes of brightness by N4."""
    registration: Literal["none", "rigid", "affine"] = "rigid"
    """Transform to MNI152 (1 mm template of the ICBM, 2009a): rigid keeps sizes, affine takes them out. Figures and
    masks stay in the patient's space."""
    min_overlap: float = Field(default=0.8, ge=0.0, le=1.0)
    """Dice of the registered brain with the template's; a scan below it is excluded, with its value."""
