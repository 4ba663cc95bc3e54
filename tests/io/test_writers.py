"""What is written is valid, says what the caller wanted, and has the same bytes each time."""

from __future__ import annotations

from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest

from scantune import io
from scantune.records import ScantuneError
from tests.io.files import volume
from tests.io.test_loops import moving

SYNTHETIC = {"ImageComments": "SYNTHETIC, not a patient", "SeriesDescription": "phantom"}


def _write_all(folder: Path, seed: str) -> list[Path]:
    common: dict = {"patient_id": "phantom-1", "tags": SYNTHETIC}
    return [
        *io.write_dicom_series(folder / "mr", volume(), seed=f"{seed} mr", **common),
        *io.write_dicom_series(
            folder / "ct", volume(), seed=f"{seed} ct", modality="CT", plane="coronal", rescale="slice", **common
        ),
        io.write_enhanced(folder / "enhanced.dcm", volume(), seed=f"{seed} enhanced", **common),
        io.write_dicom_image(folder / "dx.dcm", moving(1)[0], seed=f"{seed} dx", **common),
        io.write_cine(folder / "us.dcm", moving(3, colour=True), seed=f"{seed} us", **common),
        io.write_nifti(folder / "a.nii.gz", volume(), dtype="int16", description="synthetic"),
        io.write_png(folder / "a.png", moving(1)[0]),
        io.write_video(folder / "a.avi", moving(3)),
        io.write_video(folder / "a.mp4", moving(3)),
    ]


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_uids(tmp_path: Path) -> None:
    first, second, other = (_write_all(tmp_path / name, seed) for name, seed in (("1", "a"), ("2", "a"), ("3", "b")))
    for one, again, changed in zip(first, second, other, strict=True):
        assert one.read_bytes() == again.read_bytes(), one.name
        if one.suffix == ".dcm":
            assert one.read_bytes() != changed.read_bytes()


def test_dicom_files_are_valid_and_hold_no_date(tmp_path: Path) -> None:
    seen = set()
    for path in _write_all(tmp_path, "a"):
        if path.suffix != ".dcm":
            continue
        dataset = pydicom.dcmread(path)
        meta = dataset.file_meta
        pydicom.dataset.validate_file_meta(meta, enforce_standard=True)
        assert meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert dataset.SOPInstanceUID.is_valid
        assert dataset.SOPInstanceUID not in seen
        seen.add(dataset.SOPInstanceUID)
        assert dataset.ImageComments == "SYNTHETIC, not a patient"
        assert dataset.PatientID == "phantom-1"
        dated = [e.keyword for e in dataset.iterall() if e.VR in ("DA", "TM", "DT") and e.value]
        assert dated == []
        assert pydicom.pixels.pixel_array(dataset).size > 0


def test_series_are_read_by_highdicom_on_the_same_grid(tmp_path: Path) -> None:
    written = volume(turned=(10, -5, 3))
    paths = io.write_dicom_series(tmp_path, written, patient_id="p", seed="a")
    peer = highdicom.get_volume_from_series([pydicom.dcmread(path) for path in paths])
    peer = peer.to_patient_orientation("RAH")
    np.testing.assert_array_equal(peer.array, written.array.transpose(2, 1, 0))
    ras = np.diag([-1.0, -1, 1, 1]) @ peer.affine
    np.testing.assert_allclose(ras, written.affine, atol=1e-4)


def test_nifti_has_both_forms_and_the_dtype_asked_for(tmp_path: Path) -> None:
    image = nibabel.load(io.write_nifti(tmp_path / "a.nii.gz", volume(turned=(5, 6, 7)), dtype="int16"))
    assert image.get_data_dtype() == np.int16
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 1)
    np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-4)
    np.testing.assert_array_equal(np.asarray(image.dataobj), volume().array.transpose(2, 1, 0))


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    common: dict = {"patient_id": "p", "seed": "a"}
    too_bright = io.Volume(volume().array * 100, volume().affine)
    with pytest.raises(ScantuneError, match="rescale='series' or 'slice'"):
        io.write_dicom_series(tmp_path, too_bright, **common)
    with pytest.raises(ScantuneError, match="'oblique' is not one of axial, coronal, sagittal"):
        io.write_dicom_series(tmp_path, volume(), plane="oblique", **common)
    with pytest.raises(ScantuneError, match="no header item 'Colour'"):
        io.write_dicom_image(tmp_path / "a", moving(1)[0], tags={"Colour": "red"}, **common)
    with pytest.raises(ScantuneError, match="does not fit in 12 bits"):
        io.write_dicom_image(tmp_path / "a", np.full((3, 3), 5000, np.uint16), bits=12, **common)
    with pytest.raises(ScantuneError, match=r"ends in \.avi or \.mp4"):
        io.write_video(tmp_path / "a.mov", moving(2))
    with pytest.raises(ScantuneError, match="uint8 or uint16"):
        io.write_png(tmp_path / "a.png", volume().array)
