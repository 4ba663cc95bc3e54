import numpy as np
import pytest

from scantune import io


def _volume(low: float) -> io.Volume:
    array = np.random.default_rng(0).integers(low, low + 900, (5, 8, 7)).astype(np.float32)
    return io.Volume(array, np.diag([-1.5, 1.0, 2.0, 1.0]) + np.eye(4, k=3) * 7)


def test_integers_of_a_nifti_file_stay_and_are_the_same_values_in_the_same_places(tmp_path):
    io.write_nifti(tmp_path / "a.nii.gz", _volume(-500), dtype="int16")
    plain, kept = (io.read(tmp_path / "a.nii.gz", keep_integers=keep) for keep in (False, True))
    assert (plain.array.dtype, kept.array.dtype) == (np.float32, np.int16)
    assert np.array_equal(plain.array, kept.array)
    assert np.array_equal(plain.affine, kept.affine)


@pytest.mark.parametrize(
    ("tags", "dtype"),
    [({}, np.int16), ({"RescaleSlope": 1, "RescaleIntercept": -1024}, np.int16),
     ({"RescaleSlope": 0.5, "RescaleIntercept": 0}, np.float32),
     ({"RescaleSlope": 1, "RescaleIntercept": -40000}, np.float32)],
)  # fmt: skip
def test_integers_of_a_series_stay_where_the_rescale_leaves_them_exact(tmp_path, tags, dtype):
    import pydicom

    io.write_dicom_series(tmp_path / "s", _volume(0), patient_id="p", seed="keep")
    for path in (tmp_path / "s").iterdir():
        file = pydicom.dcmread(path)
        for name, value in tags.items():
            setattr(file, name, value)
        file.save_as(path)
    plain, kept = (io.read(tmp_path / "s", keep_integers=keep) for keep in (False, True))
    assert kept.array.dtype == dtype
    assert np.array_equal(plain.array, kept.array)
