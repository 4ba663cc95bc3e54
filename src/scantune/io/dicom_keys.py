"""What tells the volumes of one series apart: echo, b-value, gradient, time …, by standard and by vendors' elements."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag, Tag

from scantune.io.dicom_choice import digest
from scantune.io.dicom_file import DicomFile, vendor
from scantune.io.dicom_numbers import NotANumberError, numbers

Keys = dict[str, str | float]

_PLAIN = {
    "echo time": "EchoTime",
    "echo": "EchoNumbers",
    "b-value": "DiffusionBValue",
    "time": "TemporalPositionIdentifier",
    "trigger time": "TriggerTime",
    "inversion time": "InversionTime",
    "flip angle": "FlipAngle",
    "acquisition": "AcquisitionNumber",
    "tube voltage": "KVP",
}
#: b-value by vendor: element and value representation. GE adds a code in front of it (1,000,000,000 + b).
_B_VALUES = {
    "siemens": (0x0019100C, "IS"),
    "ge": (0x00431039, "IS"),
    "philips": (0x20011003, "FL"),
    "other": (0x00651009, "FD"),
}
_GRADIENTS: dict[str, list[tuple[int, str]]] = {
    "siemens": [(0x0019100E, "FD")],
    "ge": [(0x001910BB, "DS"), (0x001910BC, "DS"), (0x001910BD, "DS")],
    "philips": [(0x200510B0, "FL"), (0x200510B1, "FL"), (0x200510B2, "FL")],
    "other": [(0x00651037, "FD")],
}
_LABEL = 0x20051429  # Philips arterial spin labelling: CONTROL or LABEL
_SCALE_SLOPE, _PHILIPS_FRAME = 0x2005100E, 0x2005140F
_GE_SEQUENCE, _GE_POLARITY = 0x0019109C, 0x001910B3
_COMPONENTS = frozenset(("MAGNITUDE", "PHASE", "REAL", "IMAGINARY", "MIXED"))


def keys_of(file: DicomFile) -> Keys:
    """Of a single-frame file."""
    keys: Keys = {}
    for name, keyword in _PLAIN.items():
        values = file.floats(keyword)
        if values:
            keys[name] = _rounded(values[0])
        elif file.text(keyword):
            keys[name] = f"unreadable {digest(file.text(keyword))[:6]}"
    gradient = file.floats("DiffusionGradientOrientation") or _private_gradient(file)
    if gradient:
        keys["gradient"] = _direction(gradient)
    b_value = _private_b_value(file)
    if "b-value" not in keys and b_value is not None:
        keys["b-value"] = b_value
    if file.text("ConvolutionKernel"):
        keys["kernel"] = _kernel(file.text("ConvolutionKernel"))
    component = file.text("ComplexImageComponent").upper()
    if component in _COMPONENTS:
        keys["component"] = component.lower()
    label = file.items.get(_LABEL)
    if label is not None and isinstance(label.value, bytes):
        word = label.value.decode("latin-1").strip(" \0").upper()
        if word in ("CONTROL", "LABEL"):
            keys["label"] = word.lower()
    keys["image type"] = _image_type(file)
    return keys


def _rounded(value: float) -> float:
    """Without the digits that float32 does not have: 4.92 and 4.9200001 ms are one echo time."""
    return float(f"{value:.7g}")


def is_mirrored(file: DicomFile) -> bool:
    """Whether it is of GE's research sequence that stores images of one phase-encoding polarity upside down.

    The header does not say which; dcm2niix turns them by the order of the volumes.
    """
    sequence = file.items.get(_GE_SEQUENCE)
    if sequence is None or not isinstance(sequence.value, bytes) or b"epi_pepolar" not in sequence.value:
        return False
    return _private(file, _GE_POLARITY, "DS")[:1] != [0.0]


def scale_slope(file: DicomFile) -> float | None:
    """Philips' scale slope, by which displayed values become precise ones."""
    values = _private(file, _SCALE_SLOPE, "FL")
    return values[0] if values else None


def frame_scale_slope(group: Dataset, shared: Dataset) -> float | None:
    """As `scale_slope`, of a frame of an enhanced file: in Philips' own sequence."""
    for source in (group, shared):
        item = (source[_PHILIPS_FRAME].value or [None])[0] if _PHILIPS_FRAME in source else None
        if item is not None and _SCALE_SLOPE in item:
            return float(item[_SCALE_SLOPE].value)
    return None


def _private(file: DicomFile, tag: int, vr: str) -> list[float]:
    try:
        return numbers(file.items.get(tag), tag, vr=vr)
    except NotANumberError:
        return []


def _private_b_value(file: DicomFile) -> float | None:
    name = vendor(file)
    tag, vr = _B_VALUES[name if name in _B_VALUES else "other"]
    values = _private(file, tag, vr)
    if not values:
        return None
    return values[0] % 1_000_000 if name == "ge" else values[0]


def _private_gradient(file: DicomFile) -> list[float]:
    name = vendor(file)
    elements = _GRADIENTS[name if name in _GRADIENTS else "other"]
    gradient = [number for tag, vr in elements for number in _private(file, tag, vr)[: 3 if len(elements) == 1 else 1]]
    return gradient if len(gradient) == 3 else []


def _direction(gradient: list[float]) -> str:
    return " ".join(f"{value + 0.0:.4f}" for value in gradient)


def _image_type(file: DicomFile) -> str:
    """The image type where it has known words only, else a digest: it is free text in part."""
    texts = [file.text(keyword) for keyword in ("ImageType", "DoseSummationType", "DoseType") if file.has(keyword)]
    text = "\\".join(texts)
    parts = [part.strip() for part in text.upper().split("\\")]
    known = [part for part in parts if part in _IMAGE_TYPES]
    return " ".join(known) if len(known) == len(parts) else digest(text)[:6]


def _kernel(text: str) -> str:
    """A reconstruction kernel where it looks like a vendor's (Br40d\\3, B30f, FC08, STANDARD), else a digest."""
    word = text.replace("\\", " ").strip()
    return word if re.fullmatch(_KERNEL, word, re.IGNORECASE) else digest(text)[:6]


_KERNEL = r"[A-Z]{1,3}\d{2,3}[A-Z]{0,2}( \d)?|STANDARD|SOFT|BONE(PLUS)?|LUNG|DETAIL|EDGE|CHEST|ULTRA|[A-EY][A-D]?"
_IMAGE_TYPE_WORDS = """
ORIGINAL DERIVED PRIMARY SECONDARY AXIAL M P R I MAGNITUDE PHASE REAL IMAGINARY M_FFE P_FFE M_SE FFE SE ADC FA TRACEW
DIFFUSION NONE NORM ND DIS2D DIS3D MFSPLIT OTHER VOLUME WATER FAT IN_PHASE OUT_PHASE EPI MOSAIC PHASE_MAP DOSE
PLAN MULTI_PLAN FRACTION BEAM BRACHY CONTROL_POINT RECORD PHYSICAL EFFECTIVE ERROR
"""
_IMAGE_TYPES = frozenset(_IMAGE_TYPE_WORDS.split())

_FRAME_TYPES = ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence",
                "XRay3DFrameTypeSequence")  # fmt: skip
_FRAME_KEYS = {
    "stack": ("FrameContentSequence", "StackID"),
    "echo time": ("MREchoSequence", "EffectiveEchoTime"),
    "b-value": ("MRDiffusionSequence", "DiffusionBValue"),
    "time": ("FrameContentSequence", "TemporalPositionIndex"),
    "trigger time": ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    "inversion time": ("MRModifierSequence", "InversionTimes"),
    "flip angle": ("MRTimingAndRelatedParametersSequence", "FlipAngle"),
    "acquisition": ("FrameContentSequence", "FrameAcquisitionNumber"),
    "label": ("MRArterialSpinLabelingSequence", "ASLContext"),
    "tube voltage": ("CTXRayDetailsSequence", "KVP"),
    "value map": ("RealWorldValueMappingSequence", "LUTLabel"),
}


def macro(group: Dataset, shared: Dataset, name: str) -> Dataset:
    """A macro's first item for a frame: its own, else the shared one, else an empty one."""
    items = macro_items(group, shared, name)
    return items[0] if items else _NOTHING


def macro_items(group: Dataset, shared: Dataset, name: str) -> Sequence[Dataset]:
    """A macro's items for a frame: its own, else the shared ones, else none."""
    tag = _tag(name)
    for source in (group, shared):
        element: Any = source.get_item(tag) if tag in source else None  # five times as fast as attribute access
        if isinstance(element, RawDataElement):
            element = source[tag]
        if element is not None and element.value:
            return element.value
    return ()


_NOTHING = Dataset()


@lru_cache(64)
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)


#: Dimensions that say where a frame lies, not what it shows: stack, place in it, position and orientation.
_PLACES = frozenset(map(Tag, (0x00209056, 0x00209057, 0x00200032, 0x00209113, 0x00200037, 0x00209116,
                              0x00209301, 0x0020930E, 0x00209302, 0x0020930F)))  # fmt: skip


def dimensions_of(file: DicomFile) -> list[int]:
    """Which of a frame's DimensionIndexValues do not number places (PS3.3 C.7.6.17)."""
    items = file.header.get("DimensionIndexSequence") or []
    return [at for at, item in enumerate(items) if item.get("DimensionIndexPointer") not in _PLACES]


def dimension_values(group: Dataset, which: Sequence[int]) -> Keys:
    """The indices of a frame in the dimensions of `dimensions_of`; nothing where it does not state them."""
    values = macro(group, _NOTHING, "FrameContentSequence").get("DimensionIndexValues")
    listed = [] if values is None else [values] if isinstance(values, int) else list(values)
    return {"dimension": " ".join(str(listed[at]) for at in which)} if which and max(which) < len(listed) else {}


def frame_keys(group: Dataset, shared: Dataset) -> Keys:
    """Of a frame of an enhanced file."""
    keys: Keys = {}
    for name, (sequence, keyword) in _FRAME_KEYS.items():
        item = macro(group, shared, sequence)
        value: Any = item[_tag(keyword)].value if _tag(keyword) in item else None
        if isinstance(value, (list, tuple)) or (hasattr(value, "__iter__") and not isinstance(value, str)):
            value = value[0] if len(value) else None
        if value is None or value == "":
            continue
        try:
            keys[name] = _rounded(float(value))
        except (TypeError, ValueError):
            label = name == "label" and str(value) in ("LABEL", "CONTROL")
            keys[name] = str(value).lower() if label else digest(str(value))[:6]
    directions = macro(macro(group, shared, "MRDiffusionSequence"), _NOTHING, "DiffusionGradientDirectionSequence")
    if directions:
        keys["gradient"] = _direction([float(v) for v in directions.get("DiffusionGradientOrientation") or []])
    velocity = macro(group, shared, "MRVelocityEncodingSequence").get("VelocityEncodingDirection")
    if velocity:
        keys["velocity"] = _direction([float(v) for v in velocity])
    frame_type = next(filter(None, (macro(group, shared, name) for name in _FRAME_TYPES)), _NOTHING)
    component = frame_type.get("ComplexImageComponent")
    if component in _COMPONENTS:
        keys["component"] = str(component).lower()
    reconstruction = macro(group, shared, "CTReconstructionSequence")
    kernel = reconstruction.get("ConvolutionKernel") if reconstruction else None
    if kernel:
        keys["kernel"] = _kernel(kernel if isinstance(kernel, str) else "\\".join(kernel))
    kind = frame_type.get("FrameType")
    if kind is not None:
        text = "\\".join(str(part) for part in kind) if not isinstance(kind, str) else kind
        keys["image type"] = digest(text)[:6]
    return keys
