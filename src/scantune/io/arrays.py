"""Results of reading: volumes, images and videos with their geometry; and the options of a reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Kind = Literal["volume", "image", "video"]
Window = Literal["file"] | tuple[float, float]
GIBIBYTE = 1 << 30


@dataclass(frozen=True, eq=False)
class Volume:
    """A volume in the closest RAS+ orientation.

    Attributes:
        array: float32 [D, H, W] (integers with ``keep_integers``); D grows to superior, H to anterior, W
            to the patient's right. In the file's own units (HU where the modality gives them). It may be a transposed
            view: `storage` gives it as it lies in memory.
        affine: float64 [4, 4], from (i, j, k) = (W, H, D) indices to millimetres in RAS+.
        facts: JSON-serialisable facts without identity.
        empty: bool [D, H, W], voxels that nothing was measured in (DICOM padding, what a tilted grid leaves out), or
            None where there are none. They have the lowest value of the others.
    """

    array: np.ndarray
    affine: np.ndarray
    facts: Mapping[str, Any] = field(default_factory=dict)
    empty: np.ndarray | None = None

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in mm along W, H, D (x, y, z: right, anterior, superior)."""
        x, y, z = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))
        return float(x), float(y), float(z)

    def storage(self) -> tuple[np.ndarray, np.ndarray]:
        """The array as it lies in memory (C order, no copy where it is a transposed view) and the affine of that array.

        Resamplers that copy their input (SimpleITK) are spared a transposition by it.
        """
        order = sorted(range(3), key=lambda axis: -abs(self.array.strides[axis]))  # array axes, slowest first
        stored = self.array.transpose(order)
        columns = [2 - axis for axis in order[::-1]]  # affine columns in the order fastest first
        affine = self.affine.copy()
        affine[:3, :3] = self.affine[:3, columns]
        return np.ascontiguousarray(stored), affine


@dataclass(frozen=True, eq=False)
class Image:
    """A still image, as a reader would look at it: row 0 at the top, column 0 at the left.

    Attributes:
        array: [C, H, W], C 1 or 3 (RGB); uint8 for 8-bit colour and 8-bit PNG, JPEG, TIFF, float32 otherwise, in the
            file's own units; float32 in 0–1 where a window was applied.
        spacing: (row, column) distance in mm, or None where the file states none.
        facts: JSON-serialisable facts without identity.
        empty: bool [H, W], pixels that stand for none, as of a volume, or None.
    """

    array: np.ndarray
    spacing: tuple[float, float] | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    empty: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Video:
    """A cine loop or video.

    Attributes:
        frames: uint8 [T, H, W, C], C 1 or 3 (RGB).
        frame_time: milliseconds between frames, or None where the file states none.
        facts: JSON-serialisable facts without identity.
    """

    frames: np.ndarray
    frame_time: float | None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """What a file may cost, refused from the header, before memory is asked for.

    Attributes:
        max_bytes: of the decoded array.
        max_files: in a folder that is read as a DICOM series.
        seconds: for one file that is decoded in a child process.
    """

    max_bytes: int = 4 * GIBIBYTE
    max_files: int = 20_000
    seconds: float = 120.0


@dataclass(frozen=True)
class SeriesRule:
    """Which of several series a folder stands for.

    Every condition that is given must hold. Where more than one series is left, the folder is refused with the list.

    Attributes:
        uid_digest: first characters of the series' digest, as the list of a refusal shows it.
        uid: the series instance UID, or the first six characters or more of its digest.
        title: the whole series description, whatever the case and the blanks.
        description: words that the series description has, whatever the case and the blanks.
        number: the series number.
        largest: the series with the most images, where that is one.
    """

    uid_digest: str | None = None
    uid: str | None = None
    title: str | None = None
    description: str | None = None
    number: int | None = None
    largest: bool = False

    @property
    def names_one(self) -> bool:
        """Whether it names a series (rather than describing one): a single file must then be of it too."""
        return any(value is not None for value in (self.uid_digest, self.uid, self.title, self.number))


#: What a volume of a series can be named by -> what messages call it.
VOLUME_KEYS = {
    "b_value": "b-value",
    "echo_time": "echo time",
    "echo": "echo",
    "inversion_time": "inversion time",
    "flip_angle": "flip angle",
    "time": "time",
    "trigger_time": "trigger time",
    "acquisition": "acquisition",
    "component": "component",
    "label": "label",
    "stack": "stack",
    "kernel": "kernel",
    "tube_voltage": "tube voltage",
}


@dataclass(frozen=True)
class VolumeRule:
    """Which of several volumes in one series or file (echoes, b-values, times), all that is given must hold.

    Attributes:
        index: place in the order of acquisition, from 0.
        take: of what is left, the "first" or the "mean"; None refuses more than one.
        keys: pairs of a key of `VOLUME_KEYS` and its value: a number (ms, s/mm², degrees) or a text.
    """

    index: int | None = None
    take: Literal["first", "mean"] | None = None
    keys: tuple[tuple[str, float | str], ...] = ()

    @classmethod
    def of(cls, how: str | Mapping[str, Any] | int | None) -> VolumeRule | None:
        """A rule from how it is written: "first", "mean", a number, or a mapping of keys."""
        if how is None:
            return None
        if isinstance(how, int):
            return cls(index=how)
        if isinstance(how, str):
            return cls(take=how)  # type: ignore[arg-type]
        plain = {name: value for name, value in how.items() if value is not None}
        index, take = plain.pop("index", None), plain.pop("take", None)
        return cls(index, take, tuple(sorted(plain.items())))


@dataclass(frozen=True)
class Options:
    """How to read; the arguments of `read` under their own names. See there."""

    kind: Kind | None = None
    series: SeriesRule | None = None
    volume: VolumeRule | None = None
    limits: Limits = Limits()
    window: Window | None = None
    monochrome1: Literal["invert", "keep"] = "invert"
    tilt: Literal["refuse", "resample"] = "refuse"
    affine: Literal["agree", "sform", "qform"] = "agree"
    fill_nan: float | None = None
    allow_constant: bool = False
    slice_tolerance: float = 0.02
    keep_integers: bool = False
    labels: bool = False
    turn: int | None = None
    padding: Literal["lowest", "keep"] = "lowest"
    philips_values: Literal["displayed", "precise"] = "displayed"
