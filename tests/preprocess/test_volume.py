import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scantune import io
from scantune.preprocess import prepare
from scantune.preprocess.deface import defaced
from scantune.preprocess.grid import resample, target_grid
from scantune.records import ReadError


def places(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    k, j, i = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    return np.stack([i, j, k, np.ones_like(i)], axis=-1) @ np.asarray(affine).T


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(*[st.integers(5, 14)] * 3),
    spacing=st.tuples(*[st.sampled_from([0.7, 1.0, 1.5, 3.0])] * 3),
    target_spacing=st.tuples(*[st.sampled_from([0.5, 1.0, 2.0])] * 3),
    antialias=st.booleans(),
)
def test_values_stay_where_they_were_in_the_body(shape, spacing, target_spacing, antialias):
    """Resampling a linear function of place gives that function at the new places, to rounding."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = [3.0, -7.0, 11.0]
    function = lambda p: 10 + 2 * p[..., 0] - p[..., 1] + 0.5 * p[..., 2]  # noqa: E731
    volume = io.Volume(function(places(affine, shape)).astype(np.float32), affine)
    grid = target_grid(volume, target_spacing, None)
    result = resample(volume, grid, antialias=antialias, fill=np.nan)
    expected = function(places(grid.affine, grid.shape))
    index = places(np.linalg.inv(affine) @ grid.affine, grid.shape)[..., :3]
    margin = 4 if antialias else 0  # smoothing bends the function at the border
    inner = np.all((index >= margin) & (index <= np.array(shape[::-1]) - 1 - margin), axis=-1)
    assert np.allclose(result[inner], expected[inner], atol=1e-2)


@pytest.mark.parametrize("method", ["linear", "nearest"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_the_values_are_those_of_simpleitk(method, order, rng):
    """An independent resampler, with a grid that is larger than the volume on some sides and oblique to the body."""
    import SimpleITK as sitk

    turn = sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.3).GetMatrix()
    affine = np.eye(4)
    affine[:3, :3] = np.array(turn).reshape(3, 3) * [0.9, 1.1, 2.0]
    affine[:3, 3] = [4, -3, 2]
    array = rng.random((17, 21, 19)).astype(np.float32).transpose(order)
    volume = io.Volume(array, affine)
    grid = target_grid(volume, (1.37, 1.37, 1.37), (26, 14, 30))
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(lengths.tolist())
    image.SetDirection((affine[:3, :3] / lengths).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    expected = sitk.Resample(
        image, list(grid.shape[::-1]), sitk.Transform(),
        {"linear": sitk.sitkLinear, "nearest": sitk.sitkNearestNeighbor}[method],
        grid.affine[:3, 3].tolist(), [1.37] * 3, image.GetDirection(), -1.0,
    )  # fmt: skip
    result = resample(volume, grid, interpolation=method, antialias=False, fill=-1.0)
    np.testing.assert_allclose(result, sitk.GetArrayFromImage(expected), atol=2e-6)


def test_bsplines_agree_with_a_smooth_function():
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    function = lambda p: np.sin(p[..., 0] / 3) + np.cos(p[..., 1] / 4) + p[..., 2] / 5  # noqa: E731
    volume = io.Volume(function(places(affine, (20, 20, 20))).astype(np.float32), affine)
    grid = target_grid(volume, (0.7, 0.7, 0.7), (14, 14, 14))
    result = resample(volume, grid, interpolation="bspline")
    np.testing.assert_allclose(result, function(places(grid.affine, grid.shape)), atol=2e-3)


def test_any_stored_orientation_gives_the_same_tensor(tmp_path, volumes, inputs):
    smooth, _ = volumes
    settings_ = inputs["volume"](spacing=[2, 2, 2], shape=[6, 7, 8], intensity="none")
    volume = smooth((20, 22, 24))
    tensors = []
    for name, flips, order in [
        ("ras", (1, 1, 1), (0, 1, 2)),
        ("lpi", (-1, -1, -1), (0, 1, 2)),
        ("sar", (1, 1, 1), (2, 1, 0)),
    ]:
        array = volume.array.transpose(2, 1, 0)[:: flips[0], :: flips[1], :: flips[2]].transpose(order)
        affine = volume.affine.copy()
        for axis, flip in enumerate(flips):
            if flip < 0:
                affine[:3, 3] += affine[:3, axis] * (volume.array.shape[::-1][axis] - 1)
                affine[:3, axis] *= -1
        affine[:, :3] = affine[:, list(order)]
        path = tmp_path / f"{name}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(array), affine), path)
        tensors.append(prepare([path], [], settings_).tensor)
    assert tensors[0].shape == (1, 8, 7, 6)
    for other in tensors[1:]:
        np.testing.assert_allclose(other, tensors[0], atol=1e-3)


def test_nifti_and_dicom_series_give_the_same_tensor(tmp_path, inputs, rng):
    array = np.rint(200 + 50 * np.sin(np.arange(24 * 20 * 16).reshape(24, 20, 16) / 97)).astype(np.float32)
    volume = io.Volume(array, np.diag([1.0, 1.0, 2.0, 1.0]))
    io.write_nifti(tmp_path / "a.nii.gz", volume, dtype="int16")
    io.write_dicom_series(tmp_path / "series", volume, patient_id="p", seed="a")
    block = inputs["volume"](spacing=[1.5, 1.5, 1.5], shape=[12, 12, 12])
    one, other = (prepare([tmp_path / name], [], block) for name in ("a.nii.gz", "series"))
    np.testing.assert_allclose(one.tensor, other.tensor, atol=1e-3)
    np.testing.assert_allclose(one.facts["affine"], other.facts["affine"], atol=1e-4)
    assert one.spacing == (1.5, 1.5, 1.5)


def test_equal_spacing_crops_and_pads_without_interpolating(tmp_path, volumes, inputs):
    smooth, _ = volumes
    volume = smooth((9, 10, 11))
    io.write_nifti(tmp_path / "a.nii", volume)
    result = prepare([tmp_path / "a.nii"], [], inputs["volume"](shape=[7, 14, 9], intensity="none")).tensor[0]
    low = volume.array.min()
    assert result.shape == (9, 14, 7)
    np.testing.assert_array_equal(result[:, 2:12], volume.array[:, :, 2:9])
    assert (result[:, :2] == low).all()
    assert (result[:, 12:] == low).all()


def test_smoothing_before_shrinking_removes_what_cannot_be_shown(tmp_path, volumes, inputs):
    stripes = np.zeros((4, 4, 64), np.float32)
    stripes[..., ::2] = 100.0  # half a cycle a voxel
    volume = io.Volume(stripes, np.eye(4))
    grid = target_grid(volume, (3.9, 1, 1), None)
    plain, smoothed = (resample(volume, grid, antialias=flag)[2, 2, 2:-2] for flag in (False, True))
    assert smoothed.std() < 2.0 < 20.0 < plain.std()
    assert smoothed.mean() == pytest.approx(50.0, abs=1.0)
    io.write_nifti(tmp_path / "a.nii", volume)
    for flag, (low, high) in {True: (0.0, 2.0), False: (20.0, 99.0)}.items():
        block = inputs["volume"](spacing=[3.9, 1, 1], antialias=flag, intensity="none")
        assert low <= prepare([tmp_path / "a.nii"], [], block).tensor[0, 2, 2, 2:-2].std() < high


def test_foreground_is_the_middle_of_the_crop(tmp_path, inputs):
    array = np.zeros((20, 20, 20), np.float32)
    array[12:18, 2:6, 8:12] = 5.0
    io.write_nifti(tmp_path / "a.nii", io.Volume(array, np.eye(4)))
    block = inputs["volume"](shape=[4, 4, 6], center="foreground", intensity="none")
    assert (prepare([tmp_path / "a.nii"], [], block).tensor == 5.0).all()
    cut = prepare([tmp_path / "a.nii"], [], inputs["volume"](crop="foreground", intensity="none")).tensor
    assert cut.shape == (1, 6, 4, 4)
    assert (cut == 5.0).all()


def test_masks_go_with_their_images_by_the_nearest_label(tmp_path, inputs):
    array = np.zeros((16, 16, 16), np.float32)
    array[4:12, 4:12, 4:12] = np.arange(7, 15)
    mask = (array > 0).astype(np.float32)
    mask[4:8] *= 2
    for name, data in (("a", array), ("m", mask)):
        io.write_nifti(tmp_path / f"{name}.nii.gz", io.Volume(data, np.eye(4)))
    prepared = prepare([tmp_path / "a.nii.gz"], [tmp_path / "m.nii.gz"], inputs["volume"](spacing=[2, 2, 2]))
    assert prepared.mask.shape == (1, 8, 8, 8)
    assert prepared.mask.dtype == np.uint8
    assert sorted(np.unique(prepared.mask)) == [0, 1, 2]
    assert prepared.mask.sum() == 64 // 2 * 3
    with pytest.raises(ReadError, match=r"labels \[2\]; stated are \[1\]"):
        prepare([tmp_path / "a.nii.gz"], [tmp_path / "m.nii.gz"], inputs["volume"](mask_labels=[1]))


def test_mask_of_another_geometry_shows_both(tmp_path, inputs):
    io.write_nifti(tmp_path / "a.nii", io.Volume(np.arange(512, dtype=np.float32).reshape(8, 8, 8), np.eye(4)))
    shifted = np.eye(4)
    shifted[0, 3] = 3.0
    io.write_nifti(tmp_path / "m.nii", io.Volume(np.ones((8, 8, 8), np.float32), shifted))
    with pytest.raises(ReadError, match=r"8×8×8 at .* and 8×8×8 at .*resample the mask onto the grid of its image"):
        prepare([tmp_path / "a.nii"], [tmp_path / "m.nii"], inputs["volume"]())


def test_an_empty_mask_is_kept_or_refused_by_key(tmp_path, inputs):
    io.write_nifti(tmp_path / "a.nii", io.Volume(np.arange(512, dtype=np.float32).reshape(8, 8, 8), np.eye(4)))
    io.write_nifti(tmp_path / "m.nii", io.Volume(np.zeros((8, 8, 8), np.float32), np.eye(4)))
    files = [tmp_path / "a.nii"], [tmp_path / "m.nii"]
    assert prepare(*files, inputs["volume"]()).mask.sum() == 0
    with pytest.raises(ReadError, match="the mask is empty"):
        prepare(*files, inputs["volume"](empty_mask="exclude"))


def test_several_files_become_channels_and_several_masks_labels(tmp_path, inputs):
    base = np.arange(512, dtype=np.float32).reshape(8, 8, 8)
    for name, array in {"t1": base, "t2": base[::-1], "m1": base < 9, "m2": base > 500}.items():
        io.write_nifti(tmp_path / f"{name}.nii", io.Volume(np.ascontiguousarray(array, np.float32), np.eye(4)))
    far = np.eye(4)
    far[2, 3] = 500
    io.write_nifti(tmp_path / "far.nii", io.Volume(base, far))
    path = lambda *names: [tmp_path / f"{name}.nii" for name in names]  # noqa: E731
    prepared = prepare(path("t1", "t2"), path("m1", "m2"), inputs["volume"](intensity="none"))
    np.testing.assert_array_equal(prepared.tensor, [base, base[::-1]])
    assert np.bincount(prepared.mask.ravel()).tolist() == [512 - 9 - 11, 9, 11]
    with pytest.raises(ReadError, match="masks overlap"):
        prepare(path("t1"), path("m1", "m1"), inputs["volume"]())
    with pytest.raises(ReadError, match="file 2 of 2: channels differ in geometry"):
        prepare(path("t1", "far"), [], inputs["volume"]())


def test_a_fault_of_one_of_several_files_names_it(tmp_path, inputs):
    io.write_nifti(tmp_path / "t1.nii", io.Volume(np.arange(512, dtype=np.float32).reshape(8, 8, 8), np.eye(4)))
    blank = np.zeros((8, 8, 8), np.float32)
    io.write_nifti(tmp_path / "blank.nii", io.Volume(blank, np.eye(4)))
    blank[0, 0, 0] = 1  # outside of the grid in use, so that it is found out when intensities are scaled
    io.write_nifti(tmp_path / "corner.nii", io.Volume(blank, np.eye(4)))
    for name in ("blank", "corner", "missing"):
        with pytest.raises(ReadError, match="file 2 of 2: ") as caught:
            prepare([tmp_path / "t1.nii", tmp_path / f"{name}.nii"], [], inputs["volume"](shape=[4, 4, 4]))
        assert str(tmp_path) not in caught.value.reason
        assert caught.value.detail.startswith(str(tmp_path / f"{name}.nii"))


def test_nan_is_refused_or_filled_by_key(tmp_path, inputs):
    array = np.arange(512, dtype=np.float32).reshape(8, 8, 8)
    array[0, 0, 0] = np.nan
    io.write_nifti(tmp_path / "a.nii", io.Volume(array, np.eye(4)))
    with pytest.raises(ReadError, match="NaN"):
        prepare([tmp_path / "a.nii"], [], inputs["volume"]())
    assert np.isfinite(prepare([tmp_path / "a.nii"], [], inputs["volume"](nan=0.0)).tensor).all()


def test_values_that_do_not_fit_float16_are_refused(tmp_path, inputs):
    array = np.arange(512, dtype=np.float32).reshape(8, 8, 8) * 1000
    io.write_nifti(tmp_path / "a.nii", io.Volume(array, np.eye(4)))
    with pytest.raises(ReadError, match="float32"):
        prepare([tmp_path / "a.nii"], [], inputs["volume"](intensity="none", dtype="float16"))


def head(shape=(110, 110, 80), step=2.0) -> io.Volume:
    """A head of 190 mm: an ellipsoid, a nose in front of it, a neck below; brain brighter."""
    k, j, i = np.meshgrid(*(np.arange(n) * step for n in shape), indexing="ij")
    ellipsoid = lambda z, y, x, a, b, c: ((k - z) / a) ** 2 + ((j - y) / b) ** 2 + ((i - x) / c) ** 2 < 1  # noqa: E731
    array = np.zeros(shape, np.float32)
    array[ellipsoid(110, 105, 80, 105, 95, 72)] = 60.0
    array[ellipsoid(85, 200, 80, 18, 12, 12)] = 60.0
    array[ellipsoid(148, 105, 80, 55, 82, 60)] = 100.0
    noise = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
    return io.Volume(array + noise, np.diag([step, step, step, 1.0]))


def test_defacing_blanks_nose_and_jaw_and_spares_the_brain():
    volume = head()
    result, share = defaced(volume)
    low = volume.array.min()
    brain, nose = volume.array > 90, np.zeros(volume.array.shape, bool)
    nose[36:50, 95:] = True
    assert (result.array[nose] == low).all()
    assert (result.array[brain] == low).mean() < 0.01
    assert 0.05 < share < 0.35
    assert (volume.array[nose] != low).any()


def test_defacing_refuses_what_does_not_show_a_head():
    slab = head()
    with pytest.raises(ReadError, match="brow"):
        defaced(io.Volume(slab.array[85:], slab.affine))
