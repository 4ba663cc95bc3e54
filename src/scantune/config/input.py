"""``inputs.<name>`` in ``params.yaml``: how files become tensors. One block a modality, every step a key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from scantune.config.base import Block, Name, as_text, by_name, is_saved
from scantune.config.intensity import BOUNDED, Clahe, Intensity, Scale, ZScore
from scantune.config.volumes import Brain, VolumeChoice
from scantune.mask_keys import is_colour

Length = Annotated[int, Field(ge=1, le=8192)]
Millimetres = Annotated[float, Field(gt=0.0, le=1000.0)]


Where = Literal["processes", "threads", "dask", "ray"]
_JOBLIB = {"loky": "processes", "threading": "threads"}
Affine = Literal["refuse", "sform", "qform"]
#: Of neighbouring windows, unless the block states another.
OVERLAP = 0.5


class Backend(Block):
    """Where samples are prepared."""

    name: Annotated[Where, BeforeValidator(lambda v: _JOBLIB.get(str(v), v))] = "processes"
    """Processes on this machine, or a cluster of Dask or Ray. A decoder that crashes or hangs costs its sample alone;
    ``threads`` go without that guard. joblib's words ``loky`` and ``threading`` are taken too."""
    address: str | None = None
    """Address of the Dask scheduler or Ray head; without it one is started on this machine."""

    @model_validator(mode="after")
    def _of_a_cluster(self) -> Backend:
        if self.address is not None and self.name not in ("dask", "ray"):
            raise ValueError(f"address is of a cluster, and the backend is {self.name}: set name: dask or ray")
        return self


class _Common(Block):
    dataset: Name
    """Block of ``datasets:`` that it prepares."""
    workers: int | None = Field(default=None, ge=1, le=1024)
    """Number of samples prepared in parallel; default one per core."""
    backend: Annotated[Backend, BeforeValidator(by_name)] = Backend()
    """Processes here, or a cluster."""
    time_limit: float = Field(default=600.0, gt=0.0)
    """Time limit in seconds for one sample. One that takes longer (a decoder that hangs) is excluded."""
    verify_fraction: float = Field(default=1.0, ge=0.0, le=1.0)
    """Share of the samples found in the store whose digest is checked before they are used again."""
    max_voxels: int = Field(default=2**30, ge=1)
    """A file whose header states more values than this is refused before memory is allocated."""
    nan: Literal["exclude"] | float = "exclude"
    """Values that are not finite: exclude the sample, or replace them by this number."""
    series: str | None = None
    """DICOM folders of several series: words in the description to use. Without it such a folder is excluded,
    unless the table names the series of each row (``datasets.<name>.series``)."""
    mask_labels: list[int] | None = None
    """Labels that may stand in a mask, background 0 aside; without it any up to 255."""
    empty_mask: Literal["keep", "exclude"] = "keep"
    """Treatment of empty masks."""
    mask_values: dict[int | str, Annotated[int, Field(ge=0, le=254)] | Literal["ignore"]] = {}
    """Value in a mask's file → label: ``{128: 1, 255: 2}``. Other values are unchanged. Without it masks that hold 0
    and 255 alone are 0 and 1. Or name in the file's own table of labels → label: ``{liver: 1}``. Names are those in the
    header of a NIfTI file, of the segments of a DICOM SEG or of 3D Slicer (``.seg.nrrd``) or the structures of an
    RTSTRUCT; others are background. Or colour → label, in quotes: ``{"#ff0000": 1}``; black is background, and a mask
    with other colours is refused.
    ``{255: ignore}``: pixels with this value count neither in the loss nor in any metric."""
    mask_overlap: bool = False
    """Labels may overlap (the task has ``overlapping: true``): the files of ``masks`` mark one label each, at most
    seven; values of a single file are sums of 1, 2, 4 … for labels 1, 2, 3 …, or become such sums by ``mask_values``:
    ``{2: 3}`` where label 2 lies inside label 1."""
    mask_threshold: float | None = None
    """Masks that are probabilities, resampled or saved as JPEG: values from this one on are label 1, the others 0."""
    mask_instances: bool = False
    """Files of ``masks``, or values in them, number instances (cells, lesions): every file and value is label 1."""

    @model_validator(mode="after")
    def _one_rule(self) -> _Common:
        if self.mask_values and self.mask_threshold is not None:
            raise ValueError("give either 'mask_values' or 'mask_threshold': each defines the meaning of mask values")
        if self.mask_instances and (self.mask_values or self.mask_overlap):
            raise ValueError("'mask_instances' makes all values label 1: remove 'mask_values' and 'mask_overlap'")
        words = [key for key in self.mask_values if isinstance(key, str) and not key.lstrip("-").isdecimal()]
        colours = [key for key in words if is_colour(key)]
        if len(words) not in (0, len(self.mask_values)) or len(colours) not in (0, len(words)):
            raise ValueError(f"'mask_values' mixes values, names and colours ({', '.join(words)}): give one kind")
        return self

    @model_validator(mode="after")
    def _of_use(self, info: ValidationInfo) -> Self:
        faults = [] if is_saved(info) else list(self.faults())
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def faults(self) -> Iterator[str]:
        """Settings that would have no effect, or that their values do not allow: refused in ``params.yaml``, and told
        of a saved model, which does with them what it did in its training."""
        yield from ()


class VolumeInput(_Common):
    """A volume [C, D, H, W] in RAS+: W left → right, H posterior → anterior, D inferior → superior."""

    modality: Literal["volume"]
    spacing: Annotated[list[Millimetres], Field(min_length=3, max_length=3)] | None = None
    """mm along left-right, posterior-anterior, inferior-superior. Without it the file's own."""
    shape: Annotated[list[Length], Field(min_length=3, max_length=3)] | None = None
    """Voxels along the same axes: cropped or padded to this size. Without it the volume's own extent."""
    center: Literal["image", "foreground"] = "image"
    """Middle of the crop: of the image, or of what is not background."""
    crop: Literal["none", "foreground"] = "none"
    """Without ``shape``: cut away the background around the foreground."""
    interpolation: Literal["linear", "nearest", "bspline"] = "linear"
    """Of the image. Masks always take the nearest label."""
    antialias: bool = True
    """Smooth before shrinking (Gaussian by the ratio of spacings), else fine detail turns into false coarse detail."""
    intensity: Intensity = ZScore()
    """How values are scaled."""
    brain: Annotated[
        Brain | None, BeforeValidator(lambda v: {True: {}, False: None}.get(v, v) if isinstance(v, bool) else v)
    ] = None
    """T1-weighted MRI of heads: the brain alone, without bias field, in the space of MNI152. ``true`` or a block."""
    deface: bool = False
    """Head MRI with skull: blank the face before anything is cached, by plain geometry, which is no substitute for a
    published tool: security.md, "Identity in the pictures"."""
    volume: Literal["first", "mean"] | VolumeChoice | None = None
    """4D files and series of several volumes (echoes, b-values, times): the first one acquired, the mean of all, or the
    one with these keys: ``{b_value: 0}``, ``{echo_time: 4.92}``, ``{index: 6}``. Without it such a sample is excluded.
    The manifest notes what was chosen."""
    padding: Literal["lowest", "keep"] = "lowest"
    """DICOM pixels that stand for none (PixelPaddingValue, outside a CT's field of view): the lowest value of the
    others, or the value as it is stored. The manifest notes it."""
    philips_values: Literal["displayed", "precise"] = "displayed"
    """MR of Philips: values as the console shows them, scaled anew for each series, or precise ones, which compare
    between series and scans (Chenevert 2014). ``precise`` leaves out what does not state the scale slope."""
    affine: Affine = "refuse"
    """NIfTI files whose sform and qform disagree: exclude them, or use one of the two, which the manifest notes."""
    mask_grid: Literal["refuse", "place"] = "refuse"
    """Masks on another grid than their image (cropped by an annotation tool, finer, turned): leave the sample out, or
    place the mask by the headers of both, each voxel of the image the nearest label; what it does not cover is not
    marked, and the manifest notes both grids. Segmentations (DICOM SEG, 3D Slicer) on voxels of the image are always
    taken."""
    tilt: Literal["exclude", "resample"] = "exclude"
    """Gantry tilt: exclude the scan, or resample it upright."""
    patch: Annotated[list[Length], Field(min_length=3, max_length=3)] | None = None
    """Voxels along the axes of ``shape`` of the patches that a segmentation is trained on. Samples keep the size that
    ``spacing`` and ``shape`` give them; a network sees patches of them, in predictions windows of the same size.
    ``train.patches`` sets how they are drawn. Without it a network sees whole samples, all of one size."""
    overlap: float = Field(default=OVERLAP, ge=0.0, le=0.9)
    """Share that neighbouring windows overlap at least in a prediction, with ``patch``."""
    window_precision: Annotated[Literal["32", "bf16"], BeforeValidator(as_text)] = "32"
    """Precision of the network in the windows of a prediction, with ``patch``. bf16 changes probabilities in the third
    digit, and takes less than half the time on GPUs and on processors with AMX; without hardware for it, longer."""
    dtype: Literal["float16", "float32"] = "float16"
    """Of the cached tensor."""

    def faults(self) -> Iterator[str]:
        """See :meth:`_Common.faults`."""
        yield from _per_channel(self.intensity, 1)
        if self.intensity.name == "white_stripe" and not self.brain:
            yield (
                "intensity: white_stripe needs a brain without skull: add brain: true, or "
                "brain: {extract: stripped} where the files hold one"
            )
        if self.intensity.name == "background":
            yield "intensity: background is for images: slides under a microscope"
        if self.intensity.name == "window" and self.intensity.center is None:
            yield (
                "intensity: window needs center and width in volumes, such as {name: window, center: 40, width: 400}; "
                "none leaves values as they are"
            )
        if self.brain and self.brain.registration != "none" and (self.center != "image" or self.crop != "none"):
            yield (
                "center and crop have no effect on registered brains, whose grid is placed around the template's "
                "middle: leave them out, or set brain.registration to none"
            )
        elif self.crop == "foreground" and self.shape is not None:
            yield (
                f"crop: foreground has no effect beside shape {self.shape}, which sets what is cut away: remove shape, "
                "or write center: foreground instead of crop"
            )
        yield from _windowed(self.overlap, self.window_precision, self.patch)

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, values: Any) -> Any:
        index = values.get("volume_index") if isinstance(values, dict) else None
        if index is not None:
            raise ValueError(f"'volume_index' is now 'volume': write volume: {{index: {index}}}")
        return values


class ImageInput(_Common):
    """A still [C, H, W]: rows from the top, columns from the left."""

    modality: Literal["image"]
    shape: Annotated[list[Length], Field(min_length=2, max_length=2)] | None = None
    """[height, width] in pixels. Without it the file's own (a batch then needs files of one size)."""
    resize: Literal["pad", "crop", "stretch"] = "pad"
    """Aspect ratio preserved with padding (black; of other than 8 bits the picture's darkest value), preserved with
    cropping, or not preserved. It is that of the patient: pixels that the file states not to be square become so."""
    resolution: Annotated[list[Length], Field(min_length=2, max_length=2)] | None = None
    """[height, width] in pixels that a picture of ``shape`` is averaged to, and enlarged from again: detail that only
    the sharper of two instruments shows is gone from both. Masks are not."""
    channels: Literal[1, 3] = 1
    """1: grey. 3: colour; a grey file is repeated."""
    intensity: Intensity = Scale()
    """How values are scaled."""
    invert_monochrome1: bool = True
    """Invert MONOCHROME1 (low is bright), so that bone is bright in every image."""
    clahe: Annotated[
        Clahe | None, BeforeValidator(lambda v: {True: {}, False: None}.get(v, v) if isinstance(v, bool) else v)
    ] = None
    """Local contrast equalisation: ``true`` or ``{clip: 2, tiles: 8}``."""
    affine: Affine = "refuse"
    """NIfTI files whose sform and qform disagree: exclude them, or use one of the two, which the manifest notes."""
    mask_grid: Literal["refuse", "stored", "shown"] = "refuse"
    """Pictures that an EXIF tag turns, with masks that are not turned alike: leave the sample out, or take the mask as
    drawn on the picture as it is ``stored`` (both are turned) or as it is ``shown`` (the mask lies right already)."""
    padding: Literal["lowest", "keep"] = "lowest"
    """DICOM pixels that stand for none (PixelPaddingValue): the lowest value of the others, or as stored."""
    patch: Annotated[list[Length], Field(min_length=2, max_length=2)] | None = None
    """[height, width] in pixels of the patches that a segmentation is trained on. Samples keep their own size, or that
    of ``shape``; a network sees patches of them, in predictions windows of the same size. ``train.patches`` sets how
    they are drawn. Without it a network sees whole samples, all of one size."""
    overlap: float = Field(default=OVERLAP, ge=0.0, le=0.9)
    """Share that neighbouring windows overlap at least in a prediction, with ``patch``."""
    window_precision: Annotated[Literal["32", "bf16"], BeforeValidator(as_text)] = "32"
    """Precision of the network in the windows of a prediction, with ``patch``. bf16 changes probabilities in the third
    digit, and takes less than half the time on GPUs and on processors with AMX; without hardware for it, longer."""
    mask_text: bool = False
    """Find text burned into the image and blank it. Small letters, handwriting and letters on bright ground are missed:
    security.md, "Identity in the pictures"."""
    dtype: Literal["uint8", "float16", "float32"] | None = None
    """Of the cached tensor. Without it uint8 (0 … 255 for 0 … 1) where intensities end in 0 … 1 (scale, percentile,
    window), else float16. uint8 is for those alone."""

    def faults(self) -> Iterator[str]:
        """See :meth:`_Common.faults`."""
        yield from _per_channel(self.intensity, self.channels)
        if self.intensity.name == "white_stripe":
            yield "intensity: white_stripe is for volumes: T1-weighted brains"
        if self.shape is None and self.resize != "pad":
            yield f"resize: {self.resize} has no effect without shape, to which pictures are brought: set shape"
        if self.resolution is not None:
            yield from _coarser(self.resolution, self.shape)
        if self.clahe is not None:
            yield from _bounded("clahe", self.intensity)
        if self.dtype == "uint8":
            yield from _bounded("dtype: uint8", self.intensity)
        yield from _windowed(self.overlap, self.window_precision, self.patch)


def _coarser(resolution: list[int], shape: list[int] | None) -> Iterator[str]:
    if shape is None:
        yield f"resolution: {resolution} is of pictures of one size: set shape"
    elif any(coarse >= side for coarse, side in zip(resolution, shape, strict=True)):
        yield f"resolution: {resolution} is not below shape {shape}, so nothing is averaged: make it smaller"


def _bounded(key: str, intensity: Intensity) -> Iterator[str]:
    if intensity.name not in BOUNDED:
        yield (
            f"{key} needs values of 0 … 1, and intensity is {intensity.name}: use scale, percentile or window, or "
            f"leave {key} out"
        )


def _per_channel(intensity: Intensity, channels: int) -> Iterator[str]:
    if getattr(intensity, "per_channel", False) and channels != 3:
        yield "intensity.per_channel is for colour images: modality image with channels: 3"


def _windowed(overlap: float, precision: str, patch: list[int] | None) -> Iterator[str]:
    for key, value, default in (("overlap", overlap, OVERLAP), ("window_precision", precision, "32")):
        if patch is None and value != default:
            yield f"{key}: {value} is of windows of the size of 'patch', which is not set: add patch or remove it"


class VideoInput(_Common):
    """A loop [C, T, H, W]."""

    modality: Literal["video"]
    shape: Annotated[list[Length], Field(min_length=2, max_length=2)] = [112, 112]
    """[height, width] in pixels."""
    resize: Literal["pad", "crop", "stretch"] = "pad"
    """Aspect ratio preserved with padding, preserved with cropping, or not preserved. It is that of the patient: pixels
    that the file states not to be square become so."""
    frames: int = Field(default=32, ge=1, le=4096)
    """Frames of a sample."""
    period: int = Field(default=1, ge=1, le=256)
    """Interval between frames: 2 takes every second. A loop shorter than frames × period is repeated, not padded."""
    frame_rate: float | None = Field(default=None, gt=0.0, le=1000.0)
    """Frames a second that every loop is brought to before ``period`` counts, by its nearest frames, so that loops of
    15 and of 60 frames a second span the same time. A file that does not state its rate is excluded. Without it frames
    are taken as they are stored."""
    start: Literal["first", "center"] = "first"
    """Position of the first frame taken."""
    min_frames: int = Field(default=1, ge=1)
    """A file with fewer decodable frames is excluded."""
    channels: Literal[1, 3] = 1
    """1: grey. 3: colour."""
    sector: bool = False
    """Ultrasound: find the sector and blank everything outside it, burned-in text too. It is found by its movement
    in 16 frames over the whole loop, at a ``shape`` of about 64 pixels or more; a note says where much stands still."""
    intensity: Annotated[Scale | ZScore, Field(discriminator="name"), BeforeValidator(by_name)] = Scale()
    """How values are scaled."""
    dtype: Literal["uint8", "float16", "float32"] | None = None
    """Of the cached tensor. Without it uint8 (0 … 255 for 0 … 1) where intensities end in 0 … 1 (scale, percentile,
    window), else float16. uint8 is for those alone."""

    def faults(self) -> Iterator[str]:
        """See :meth:`_Common.faults`."""
        if self.dtype == "uint8":
            yield from _bounded("dtype: uint8", self.intensity)

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("patch") is not None:
            raise ValueError("'patch' is for images and volumes; of a video 'shape' and 'frames' set what is seen")
        return {key: value for key, value in values.items() if key != "patch"} if isinstance(values, dict) else values


InputConfig = Annotated[VolumeInput | ImageInput | VideoInput, Field(discriminator="modality")]
