"""How the values of a mask's file become labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scantune.mask_codes import IGNORE, IGNORED
from scantune.mask_keys import is_colour
from scantune.records import ReadError

if TYPE_CHECKING:
    from scantune.config.input import ImageInput, VideoInput, VolumeInput


class MaskError(ReadError):
    """A mask that cannot be used, or does not fit its image."""


@dataclass(frozen=True)
class MaskRule:
    """How the values of a mask's file become labels.

    Attributes:
        labels: allowed labels, besides background 0; None allows 1 … 255.
        empty: "exclude" refuses a mask in which nothing is marked.
        values: value in the file → label, for example ``{128: 1, 255: 2}``; values it does not name stay. Colours
            (``{"#ff0000": 1}``) take their place, black being 0 unless it is named. Names in the
            file's own table of labels take the place of values (``{liver: 1}``); what is not named is 0 then. The label
            ``ignore`` marks pixels that do not count.
        threshold: values at or above it are label 1, all others 0; None: values are labels.
        overlap: labels may overlap: the mask has a bit for each (:mod:`scantune.mask_codes`), several files mark one
            each, and the values of a single file are sums of bits.
        instances: files and values number instances of one structure: all of them are label 1.
    """

    labels: Sequence[int] | None = None
    empty: str = "keep"
    values: Mapping[Any, int | str] = field(default_factory=dict)
    threshold: float | None = None
    overlap: bool = False
    instances: bool = False

    @classmethod
    def of(cls, settings: VolumeInput | ImageInput | VideoInput) -> MaskRule:
        """The rule of an input's block."""
        values = {str(value): label for value, label in settings.mask_values.items()}
        return cls(
            settings.mask_labels,
            settings.empty_mask,
            values,
            settings.mask_threshold,
            settings.mask_overlap,
            settings.mask_instances,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Those of ``values`` that are names in a file's own table of labels (``{liver: 1}``)."""
        words = (key for key in self.values if isinstance(key, str) and not key.lstrip("-").isdecimal())
        return tuple(key for key in words if not is_colour(key))

    @property
    def colours(self) -> tuple[str, ...]:
        """Those of ``values`` that are colours (``{"#ff0000": 1}``)."""
        return tuple(key for key in self.values if is_colour(key))

    @property
    def marks_zero(self) -> bool:
        """Whether 0 in the file is a label, so that what a mask does not cover would be marked."""
        if self.threshold is not None:
            return self.threshold <= 0
        words = {*self.names, *self.colours}
        return any(self.code(key) for key in self.values if key not in words and int(key) == 0)

    def code(self, value: Any) -> int:
        """The number in the mask for a value (or a name) of the file that :attr:`values` names."""
        label = self.values[value]
        return IGNORED if label == IGNORE else int(label)
