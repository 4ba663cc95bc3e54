"""``inputs.<name>.intensity`` and ``clahe``: how values are scaled."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from scantune.config.base import Block, by_name


class ZScore(Block):
    """(value − mean) / standard deviation."""

    name: Literal["zscore"] = "zscore"
    foreground: bool = True
    """Mean and deviation of what is above the image's own background (its minimum), not of the air around the head."""
    clip: float | None = Field(default=None, gt=0.0)
    """Clip at this number of standard deviations on either side."""


class Percentile(Block):
    """From two percentiles to 0 … 1, cut there."""

    name: Literal["percentile"] = "percentile"
    lower: float = Field(default=0.5, ge=0.0, lt=100.0)
    """Percentile that becomes 0."""
    upper: float = Field(default=99.5, gt=0.0, le=100.0)
    """Percentile that becomes 1."""
    per_channel: bool = False
    """Each colour channel between its own percentiles, so that light and background of another colour become alike, as
    on slides of several laboratories. For images with ``channels: 3``."""

    @model_validator(mode="after")
    def _ordered(self) -> Percentile:
        if self.lower >= self.upper:
            raise ValueError(f"lower {self.lower:g} is not below upper {self.upper:g}")
        return self


class Window(Block):
    """From center − width/2 … center + width/2 to 0 … 1, cut there. CT: Hounsfield units. A center and width stated
    here are of the values as ``scantune check`` shows them, with MONOCHROME1 turned round; a window of the
    file is applied before that."""

    name: Literal["window"] = "window"
    center: float | None = None
    """Middle of the window; without it the file's own (images only)."""
    width: float | None = Field(default=None, gt=0.0)
    """Its width; without it the file's own (images only)."""

    @model_validator(mode="after")
    def _both(self) -> Window:
        if (self.center is None) != (self.width is None):
            raise ValueError("a window needs center and width, or neither (then that of the file)")
        return self


class Scale(Block):
    """From the smallest and largest value that can stand in the file (8 bit: 0, 255), else in the image, to 0 … 1."""

    name: Literal["scale"] = "scale"


class WhiteStripe(Block):
    """(value − normal-appearing white matter) / its standard deviation (Shinohara 2014). T1-weighted brains alone."""

    name: Literal["white_stripe"] = "white_stripe"
    width: float = Field(default=0.05, gt=0.0, lt=0.5)
    """Share of the brain's voxels on either side of the white matter's mode that count as white matter."""


class Background(Block):
    """Each channel divided by the light of its background, cut at 1: slides under a bright-field microscope.

    Beer and Lambert: what a stain absorbs is a ratio to the light that would pass without it, whatever the lamp.
    """

    name: Literal["background"] = "background"
    percentile: float = Field(default=95.0, ge=50.0, le=100.0)
    """Percentile of a channel that is the light of the background."""


class Keep(Block):
    """Values as they are in the file, rescaled to their unit (HU)."""

    name: Literal["none"] = "none"


Intensity = Annotated[
    ZScore | Percentile | Window | Scale | WhiteStripe | Background | Keep,
    Field(discriminator="name"),
    BeforeValidator(by_name),
]


#: Those whose values end in 0 … 1.
BOUNDED = ("scale", "percentile", "window", "background")


class Clahe(Block):
    """Contrast-limited adaptive histogram equalisation (Zuiderveld 1994)."""

    clip: float = Field(default=2.0, gt=0.0, le=100.0)
    """Limit of a bin, times the mean bin."""
    tiles: int = Field(default=8, ge=1, le=64)
    """Tiles along each side."""
