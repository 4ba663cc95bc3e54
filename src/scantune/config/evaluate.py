"""The ``evaluate`` block of an experiment: what is computed on the test set, and how models are compared."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from scantune.config.base import Block, Seed
from scantune.config.synonyms import also, metric_name


def _switch(value: object) -> object:
    """``false`` and ``true`` as shorthand for ``{enabled: …}``."""
    return {"enabled": value} if isinstance(value, bool) else value


class SaliencyConfig(Block):
    """Saliency maps, and the tests of these maps."""

    enabled: bool = True
    """Switch the maps off by ``false``."""

    method: Literal["auto", "gradcam", "gradcam++", "hirescam", "eigencam", "scorecam", "attention", "rollout"] = "auto"
    """How maps are made. ``auto``: ``hirescam`` for graded zones and segmentation, ``gradcam`` else. ``scorecam`` is
    for images only, ``attention`` and ``rollout`` for vision transformers."""

    layer: str | None = None
    """Dotted name of the layer that is read. None: the deepest one that still has 7 cells along rows and columns (3
    along each axis of a volume, 2 along time)."""

    layer_idx: int = -1
    """``attention``: which layer of the transformer, from the first (0) or the last (-1)."""

    samples: Annotated[int, Field(ge=1, le=50)] = 6
    """Test samples in each group: the best, the worst and a random draw."""

    checks: bool = True
    """Test the maps themselves: random weights, small shifts, members against each other, masks where there are any.
    Tests that need another network are entries of the group ``map_checks``."""

    mask_class: str | None = None
    """Classification whose data set has ``masks``: the class that they are evidence of. Its samples and its maps are
    compared with the masks. None: all samples, by the map of the predicted class."""

    animation: Literal["gif", "mp4", "both"] = "gif"
    """Of a loop under its map: animated GIF, MP4, or both."""

    seed: Seed = 42
    """Seed of the random draw and of the tests."""

    _also = also(target_layer="layer")


class EvaluateConfig(Block):
    """Statistics on the test set. An empty block is right for most."""

    draws: int = Field(2000, ge=200)
    """Resampling draws, by subject: for the bands of curves, and for intervals that no other rule gives."""

    seed: Seed = 42
    """Seed of the resampling."""

    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Level of the intervals, and of those by which saliency maps pass their checks."""

    groups: tuple[str, ...] | None = None
    """Columns by which subgroups are formed. None: the data set's ``groups``."""

    age_bands: tuple[float, ...] = (2.0, 12.0, 18.0, 40.0, 65.0, 80.0)
    """Years at which a band of a group of ages begins: ``age``, ``Patient Age``, ``age_years``."""

    min_group: int = Field(20, ge=2)
    """Subgroups with fewer subjects are shown but marked as small."""

    case_mix: dict[str, dict[str, float]] = {}
    """Another population, as the share of each level of a grouping column, such as ``{sex: {F: 0.5, M: 0.5}}``: the
    headline metrics of the test samples weighted to it are reported too. Of several columns, all at once (raking)."""

    covariates: tuple[str, ...] = ("age", "sex", "volume", "mean")
    """What the simple baseline model may use, where the manifest has it: ``mean`` is the mean intensity."""

    primary: str | None = None
    """The primary metric by which models are compared, prespecified. None: the task's first headline figure."""

    margin: float = Field(0.0, ge=0)
    """A challenger may be worse by this much in the primary metric and still count as non-inferior."""

    locked: bool = False
    """The test set may be evaluated once only: a second evaluation on it is refused."""

    write_masks: bool = False
    """Write the predicted mask of every sample to ``masks/`` beside ``predictions.csv``, whose column ``mask`` names
    the file: NIfTI with the size, order of axes and affine of the image's file, PNG of a picture at its size."""

    cases: int = Field(100, ge=0, le=2000)
    """Test samples with a picture in ``cases.html``, the page in which each can be looked at: those with the largest
    errors, as many as fit in 24 MB. The others are listed there without a picture. 0: no page."""

    saliency: Annotated[SaliencyConfig, BeforeValidator(_switch)] = SaliencyConfig()
    """Saliency maps; ``false`` switches them off."""

    @field_validator("case_mix", mode="before")
    @classmethod
    def _levels_are_names(cls, value: object) -> object:
        """YAML reads 1 and 2 as numbers; a level is a name."""
        if not isinstance(value, dict):
            return value
        return {
            c: {str(level): share for level, share in of.items()} if isinstance(of, dict) else of
            for c, of in value.items()
        }

    @field_validator("case_mix")
    @classmethod
    def _sum_to_one(cls, value: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for column, shares in value.items():
            if not shares or min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > 1e-6:
                raise ValueError(f"case_mix of {column}: shares {shares} must be 0 or more and sum to one")
        return value

    @field_validator("primary")
    @classmethod
    def _our_name(cls, value: str | None) -> str | None:
        return None if value is None else metric_name(value)

    @field_validator("age_bands")
    @classmethod
    def _ascending(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(a >= b for a, b in itertools.pairwise(value)):
            raise ValueError(f"age_bands {list(value)}: must ascend, such as [18, 40, 65]")
        return value
