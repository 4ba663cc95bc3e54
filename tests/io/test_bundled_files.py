"""The real and odd files that pydicom and nibabel bring along: read right, or refused with a reason."""

from __future__ import annotations

import gzip
import warnings
from collections import Counter
from io import BytesIO
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from scantune import io
from scantune.io.detect import file_head, format_of
from scantune.records import ReadError
from tests.io.files import PYDICOM_FILES

NIBABEL_FILES = Path(nibabel.__file__).parent


def _files() -> list[Path]:
    code = (".py", ".pyc", ".m", ".rst", ".gitignore", ".toml")
    pydicoms = [path for path in PYDICOM_FILES.rglob("*") if path.is_file()]
    nibabels = [
        path
        for path in NIBABEL_FILES.rglob("*")
        if path.is_file() and path.suffix not in code and "data" in path.parent.parts
    ]
    return sorted(pydicoms) + sorted(nibabels)


def _independent(path: Path) -> np.ndarray | None:
    """The picture or volume by pydicom's or nibabel's own words, or None where those have none."""
    if format_of(file_head(path)) in ("nifti", "gzip") and path.name != "zipMR.gz":  # that one is DICOM
        array = np.asarray(nibabel.as_closest_canonical(nibabel.load(path)).dataobj, dtype=np.float32)
        return array[..., 0] if array.ndim == 4 else array
    packed = file_head(path)[:2] == b"\x1f\x8b"
    dataset = pydicom.dcmread(BytesIO(gzip.decompress(path.read_bytes())) if packed else path, force=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = pydicom.pixels.pixel_array(dataset)
        if dataset.PhotometricInterpretation == "PALETTE COLOR":
            return pydicom.pixels.apply_color_lut(array, dataset)
        if int(dataset.SamplesPerPixel) == 1:
            array = pydicom.pixels.apply_rescale(array, dataset)
        if "DoseGridScaling" in dataset:
            array = array * float(dataset.DoseGridScaling)
            return array if array.ndim == 2 else array[:, ::-1, ::-1].transpose(2, 1, 0)  # axial, to R, A, S
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        bits = int(dataset.BitsStored)
        array = (
            (2**bits - 1) * float(dataset.get("RescaleSlope", 1))
            + 2 * float(dataset.get("RescaleIntercept", 0))
            - array
        )
    return array


def _agrees(loaded: io.Volume | io.Image | io.Video, expected: np.ndarray) -> bool:
    if isinstance(loaded, io.Volume):
        return np.allclose(loaded.array.transpose(2, 1, 0), np.squeeze(expected), rtol=1e-5, atol=1e-5)
    if isinstance(loaded, io.Video):
        array = loaded.frames if loaded.frames.shape[-1] == 3 else loaded.frames[..., 0]
        if expected.dtype.itemsize > 1:  # deeper colours come with 8 bits
            expected = expected >> (8 * expected.dtype.itemsize - 8)
        return np.quantile(np.abs(array.astype(float) - expected), 0.999) <= 8
    array = loaded.array[0] if loaded.array.shape[0] == 1 else loaded.array.transpose(1, 2, 0)
    if array.dtype == np.uint8 and expected.dtype == np.uint16:
        expected = expected >> 8
    if array.shape != expected.shape and expected.size == array.size:  # a one-slice NIfTI: same values, shown upright
        return np.array_equal(np.sort(array.ravel()), np.sort(expected.ravel()))
    if array.dtype == np.uint8:  # decoders of lossy JPEG differ by their rounding
        return bool(np.abs(array.astype(int) - expected).max() <= 2)
    return np.allclose(array, expected, rtol=1e-5, atol=1e-4)


def _outcome(path: Path) -> str:
    """read, refused or wrong."""
    try:
        loaded = io.read(
            path, volume=io.VolumeRule(index=0) if path.name.startswith(("functional", "example4d")) else None
        )
    except ReadError as error:
        assert error.reason  # noqa: PT017
        return "refused"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = _independent(path)
    return "read" if expected is not None and _agrees(loaded, expected) else "wrong"


#: Read by both pydicom and us, refused for a reason that another reader overlooks.
_OVERLOOKED_BY_OTHERS = {"MR_truncated.dcm"}


def test_none_is_wrongly_handled() -> None:
    outcomes = {path: _outcome(path) for path in _files()}
    wrong = sorted(path.name for path, outcome in outcomes.items() if outcome == "wrong")
    assert wrong == []
    count = Counter(outcomes.values())
    print(f"bundled files: {dict(count)}")
    assert count["read"] >= 89
    refused = [path for path, outcome in outcomes.items() if outcome == "refused"]
    assert all(_has_no_image_for_others(path) for path in refused), [
        path.name for path in refused if not _has_no_image_for_others(path)
    ]


def _has_no_image_for_others(path: Path) -> bool:
    """Whether pydicom cannot decode a refused file either, or it is of a kind that is refused on purpose."""
    if path.name in _OVERLOOKED_BY_OTHERS or path.suffix.lower() in _OTHER_FORMATS:
        return True
    kind = format_of(file_head(path))
    if kind in ("nifti", "gzip"):
        return path.name in _REFUSED_NIFTI or path.suffixes[-2:] != [".nii", ".gz"]
    if kind not in ("dicom", "dicom without preamble"):
        return True
    dataset = pydicom.dcmread(path, force=True)
    if "MOSAIC" in dataset.get("ImageType", []) or dataset.get("Modality") in (
        "SEG",
        "SR",
        "RTPLAN",
        "RTSTRUCT",
    ):
        return True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            array = pydicom.pixels.pixel_array(dataset)
        except Exception:
            return True
    return bool(array.min() == array.max())


_OTHER_FORMATS = {".gii", ".par", ".rec", ".mnc", ".trk", ".tck", ".mgz", ".head", ".brik", ".v", ".nc", ".bin", ".hdr"}
_REFUSED_NIFTI = {"example_nifti2.nii.gz"}  # two volumes, and none was named


def test_a_mosaic_without_its_private_elements_is_refused_with_the_remedy(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(NIBABEL_FILES / "nicom" / "tests" / "data" / "0.dcm")
    dataset.remove_private_tags()
    dataset.save_as(tmp_path / "a.dcm")
    with pytest.raises(ReadError, match=r"a Siemens mosaic.*convert the original to NIfTI"):
        io.read(tmp_path / "a.dcm")
