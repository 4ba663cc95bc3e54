"""Pictures of maps: sides, planes, windows, what is undefined, warnings; files that read back."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from scantune import io, plots
from scantune.explain import Saliency, draw
from scantune.explain.draw import planes
from scantune.explain.draw.animation import frames
from scantune.explain.draw.figures import select_frames
from scantune.explain.draw.nifti import resample
from scantune.explain.draw.view import SampleView, coloured, onto
from scantune.preprocess.display_copy import grey
from scantune.records import ScantuneError

RNG = np.random.default_rng(0)


def sample_view(modality: str) -> draw.SampleView:
    shape = {"image": (60, 50), "volume": (12, 20, 16), "video": (7, 30, 40)}[modality]
    return draw.SampleView(
        "scan-1",
        RNG.random(shape).astype(np.float32),
        modality,  # type: ignore[arg-type]
        truth="severe $3$",
        prediction="moderate",
        interval="1.5 to 2.5",
        explained="zone right lower",
        frame_time=40.0,
    )


def saliency(modality: str) -> Saliency:
    shape = {"image": (30, 25), "volume": (12, 20, 16), "video": (7, 30, 40)}[modality]
    values = np.zeros(shape, np.float32)
    values[(2,) * len(shape)] = 1.0
    return Saliency(values, "backbone.net.layer4", "gradcam", None, (4,) * len(shape), 1.2)


NOWHERE = Saliency(None, "backbone.net.layer4", "gradcam", "all zero: nothing speaks for it", (4, 4))
MODALITIES = ["image", "volume", "video"]


def words(figure: object) -> str:
    """Everything that is written on a figure."""
    texts = [figure.get_suptitle(), figure.get_supxlabel()]  # type: ignore[attr-defined]
    for axes in figure.axes:  # type: ignore[attr-defined]
        texts += [axes.get_title(loc="left"), axes.get_ylabel(), *(text.get_text() for text in axes.texts)]
    return "\n".join(texts).replace("\n", " ")


def is_coloured(axes: object) -> bool:
    """Whether a panel shows anything that is not grey."""
    return any(
        picture.get_array().ndim == 3 and float(np.ptp(picture.get_array()[..., :3], axis=-1).max()) > 0.05
        for picture in axes.images  # type: ignore[attr-defined]
    )


@pytest.mark.parametrize("modality", MODALITIES)
def test_label_prediction_interval_layer_and_resolution_stand_on_the_figure(modality: str) -> None:
    figure = draw.draw(sample_view(modality), saliency(modality))
    text = words(figure)
    for part in ("scan-1", "label severe $3$", "prediction moderate (1.5 to 2.5)", "zone right lower", "gradcam"):
        assert part in text
    assert "backbone.net.layer4" in text
    assert "cells (finer detail is interpolated)" in text
    assert "saliency, share of its maximum" in text
    assert any(is_coloured(axes) for axes in figure.axes)


@pytest.mark.parametrize("modality", MODALITIES)
def test_an_undefined_map_is_said_in_words_and_never_coloured(modality: str) -> None:
    figure = draw.draw(sample_view(modality), NOWHERE)
    assert "undefined: all zero" in words(figure)
    assert not any(is_coloured(axes) for axes in figure.axes)
    assert "share of its maximum" not in words(figure)


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_map_that_failed_a_check_is_shown_with_the_warning_on_it(modality: str) -> None:
    sentence = "This map differs between networks trained in the same way."
    figure = draw.draw(replace(sample_view(modality), warnings=(sentence,)), saliency(modality))
    assert sentence in words(figure)
    assert any(is_coloured(axes) for axes in figure.axes)
    assert sentence in words(
        draw.sheet({"best": [(replace(sample_view(modality), warnings=(sentence,)), saliency(modality))]})
    )


def test_sides_are_written_or_said_to_be_unknown() -> None:
    known = draw.draw(replace(sample_view("image"), sides=("R", "L")), saliency("image"))
    letters = [(t.get_text(), t.get_position()[0]) for axes in known.axes for t in axes.texts]
    assert ("R", 0.02) in letters
    assert ("L", 0.98) in letters
    assert "does not state the side" not in words(known)
    assert "does not state the side" in words(draw.draw(sample_view("image"), saliency("image")))


def test_planes_hang_as_radiologists_hang_them() -> None:
    """A voxel at the subject's right, anterior and superior lies at the left and at the top of every plane it is in."""
    shape = (10, 12, 14)  # D (superior up), H (anterior up), W (right up)
    volume = np.zeros(shape)
    point = (9, 11, 13)
    volume[point] = 1.0
    for plane, at in zip((planes.AXIAL, planes.CORONAL, planes.SAGITTAL), point):
        cut = plane.cut(volume, at)
        assert cut[0, 0] == 1.0
        assert plane.place(point, shape) == (0, 0)
    assert (planes.AXIAL.left, planes.AXIAL.right) == ("R", "L")
    assert (planes.SAGITTAL.left, planes.SAGITTAL.right) == ("A", "P")
    assert "patient's right is on the left" in words(draw.draw(sample_view("volume"), saliency("volume")))


def test_planes_go_through_the_maximum_and_its_place_is_given_in_mm() -> None:
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    affine[:3, 3] = [-10, -20, -30]
    figure = draw.draw(replace(sample_view("volume"), affine=affine), saliency("volume"))
    assert "x −6, y −16, z −24 mm (RAS)" in words(figure)
    assert planes.maximum(saliency("volume").map) == (2, 2, 2)
    two = np.zeros((5, 5, 5))
    two[1, 1, 1] = two[1, 1, 2] = two[1, 1, 3] = 1
    assert planes.maximum(two) == (1, 1, 2)


def test_aspect_follows_spacing() -> None:
    assert planes.AXIAL.aspect((5, 1, 2)) == 0.5
    assert planes.CORONAL.aspect((5, 1, 2)) == 2.5
    assert planes.SAGITTAL.aspect((5, 1, 2)) == 5


def test_window_is_the_readers() -> None:
    values = np.array([[-200.0, -100.0, 0.0, 100.0, 900.0]])
    assert grey(values, (-100, 100)).tolist() == [[0, 0, 0.5, 1, 1]]
    assert float(np.ptp(grey(RNG.random((50, 50)), None))) == 1.0
    assert np.isfinite(grey(np.full((4, 4), 7.0), None)).all()
    assert "Window −160 to 240." in words(
        draw.draw(replace(sample_view("image"), window=(-160, 240)), saliency("image"))
    )


def test_the_map_goes_to_the_images_own_resolution_and_to_the_part_that_was_seen() -> None:
    values = np.array([[0.0, 0.0], [0.0, 1.0]], np.float32)
    full = onto(values, (40, 60))
    assert full.shape == (40, 60)
    assert full[35, 50] == 1.0
    part = onto(values, (40, 60), (10, 20, 20, 20))
    assert part[27, 37] == 1.0
    assert part[:10].max() == part[30:].max() == part[:, :20].max() == part[:, 40:].max() == 0


def test_where_the_map_is_zero_the_picture_stays() -> None:
    picture = RNG.random((5, 5)).astype(np.float32)
    values = np.zeros((5, 5), np.float32)
    values[2, 2] = 1
    made = coloured(picture, values)
    assert np.allclose(np.delete(made.reshape(25, 3), 12, 0), np.delete(picture.ravel(), 12)[:, None])
    assert np.ptp(made[2, 2]) > 0.1


def test_frames_shown_hold_the_peak() -> None:
    assert select_frames(100, 5, None) == [0, 25, 50, 74, 99]
    assert 37 in select_frames(100, 5, 37)
    assert len(select_frames(100, 5, 37)) == 5
    assert select_frames(3, 6, 1) == [0, 1, 2]


def test_best_worst_and_random_are_picked_by_error_and_seed() -> None:
    errors = [0.3, np.nan, 0.1, 0.9, 0.5, 0.7, 0.2]
    picked = draw.pick(errors, n=2, seed=4)
    assert picked["best"] == [2, 6]
    assert picked["worst"] == [3, 5]
    assert picked == draw.pick(errors, n=2, seed=4)
    assert {tuple(draw.pick(errors, 2, seed)["random"]) for seed in range(30)} > {tuple(picked["random"])}
    few = draw.pick([0.1, 0.2, 0.3], n=4)
    assert not set(few["best"]) & set(few["worst"])
    assert draw.pick([], n=2) == {"best": [], "worst": [], "random": []}


@pytest.mark.parametrize("modality", MODALITIES)
def test_sheet_has_a_row_a_group_and_says_how_it_was_drawn(modality: str) -> None:
    members = [(sample_view(modality), saliency(modality)), (sample_view(modality), NOWHERE)]
    figure = draw.sheet({"best": members, "worst": members[:1], "random": members[1:]}, seed=11)
    text = words(figure)
    assert all(group in text for group in ("best", "worst", "random", "seed 11", "undefined: all zero"))
    assert sum(is_coloured(axes) for axes in figure.axes if axes.images and axes.get_title(loc="left")) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("modality", MODALITIES)
def test_the_same_figure_is_the_same_file(modality: str, tmp_path: Path) -> None:
    view = sample_view(modality)
    digests = set()
    for name in ("a", "b"):
        path = plots.save(draw.draw(view, saliency(modality)), tmp_path / name, ("png",))[0]
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize("made, width", [(saliency("video"), 2), (NOWHERE, 1)])
def test_gif_plays_every_frame_at_its_own_pace(made: Saliency, width: int, tmp_path: Path) -> None:
    changed = replace(sample_view("video"), sides=("septum", "wall"))
    path = draw.animate(tmp_path / "loop.gif", changed, made, side=60)
    with Image.open(path) as loop:
        assert loop.n_frames == 7
        assert loop.info["duration"] == 40
        assert loop.info["loop"] == 0
        assert loop.width == width * 80
        assert (loop.height - 60) % 16 == 0
    first = path.read_bytes()
    assert draw.animate(path, changed, made, side=60).read_bytes() == first
    assert not list(tmp_path.glob("*.part"))


def pages(view: SampleView, made: Saliency, side: int, path: Path) -> list[np.ndarray]:
    with Image.open(draw.animate(path / "loop.gif", view, made, side=side)) as loop:
        return [np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(loop)]


@pytest.mark.parametrize("name", ["loop", "a name of many words " * 4, "a_name_in_one_word_" * 6, "имя петли"])
def test_all_text_below_a_loop_is_seen(name: str, tmp_path: Path) -> None:
    view = replace(sample_view("video"), sample_id=name, warnings=("This map failed the check of weights.",))
    for page in pages(view, saliency("video"), 90, tmp_path):
        assert (page[90:, -2:] > 250).all(), "text reaches the right edge"
        assert (page[-1:] > 250).all(), "text reaches the lower edge"
    short = pages(replace(view, sample_id="loop"), saliency("video"), 90, tmp_path)[0]
    assert page.shape[0] >= short.shape[0]


def test_a_name_in_another_script_is_not_a_row_of_boxes(tmp_path: Path) -> None:
    views = [replace(sample_view("video"), sample_id=name) for name in ("имя", "ёжы")]
    one, other = (pages(view, saliency("video"), 90, tmp_path)[0] for view in views)
    assert (one[90:] != other[90:]).any()


def test_letters_below_a_loop_come_from_a_font_of_this_machine(
    private_use_font: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A name of classes in Chinese is drawn in the font that has it, and in a box nowhere."""
    name, view = private_use_font, sample_view("video")
    with caplog.at_level("WARNING"):
        drawn, other = (
            pages(replace(view, sample_id="", truth=text), saliency("video"), 90, tmp_path)[0][90:]
            for text in (name, "")
        )
    assert not caplog.records
    solid = [  # the letter is a filled triangle; strokes of others, and the box for a missing one, are thin
        np.lib.stride_tricks.sliding_window_view(page < 128, (4, 4)).all(axis=(2, 3)).any() for page in (drawn, other)
    ]
    assert solid == [True, False]


@pytest.mark.parametrize("name", ["肺炎", "निमोनिया"])
def test_letters_below_a_loop_that_no_font_has_are_told_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from matplotlib import font_manager

    from scantune.plots import lettering

    own = [entry for entry in font_manager.fontManager.ttflist if entry.name.startswith("DejaVu")]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    lettering._warn.cache_clear()
    with caplog.at_level("WARNING"):
        for _ in range(2):
            draw.animate(tmp_path / "loop.gif", replace(sample_view("video"), truth=name), saliency("video"), side=60)
    (record,) = caplog.records
    assert "install a font" in record.getMessage()


def test_an_arabic_name_leaves_the_numbers_beside_it_in_their_places() -> None:
    """The line is set from left to right: what follows the Arabic words is drawn right of them."""
    from scantune.plots.caption import caption

    alone, followed = (caption([(f"التهاب رئوي{text}", "black")], 300).min(axis=(0, 2)) < 128 for text in ("", " 95 %"))
    assert followed[: np.flatnonzero(alone).max()].sum() >= alone.sum() - 3
    assert np.flatnonzero(followed).max() > np.flatnonzero(alone).max() + 10


def test_gif_shows_the_map_in_its_own_frames() -> None:
    changed = replace(sample_view("video"), image=np.zeros((7, 30, 40), np.uint8))
    right = [frame[:, frame.shape[1] // 2 :].max() for frame in frames(changed, saliency("video"), 60)]
    assert int(np.argmax(right)) == 2


AFFINE = np.array([[2.0, 0.1, 0, -30], [-0.1, 2.0, 0, -40], [0, 0, 3.0, -20], [0, 0, 0, 1]])


def test_nifti_lies_in_the_scans_space(tmp_path: Path) -> None:
    values = RNG.random((6, 8, 10)).astype(np.float32)
    path = tmp_path / "map.nii.gz"
    draw.write_nifti(path, Saliency(values, "l", "gradcam"), AFFINE)
    read = io.read(path)
    np.testing.assert_allclose(read.array, values)
    np.testing.assert_allclose(read.affine, AFFINE, atol=1e-5)


def test_nifti_onto_the_scans_own_voxels(tmp_path: Path) -> None:
    """A place in mm has the same value in both files."""
    values = RNG.random((6, 8, 10)).astype(np.float32)
    grid, scan = np.diag([2.0, 2.0, 3.0, 1.0]), np.diag([1.0, 1.0, 1.5, 1.0])
    grid[:3, 3] = scan[:3, 3] = [-30, -40, -20]
    path = tmp_path / "map.nii"
    draw.write_nifti(path, Saliency(values, "l", "gradcam"), grid, scan=((12, 16, 20), scan))
    read = io.read(path)
    assert read.array.shape == (12, 16, 20)
    np.testing.assert_allclose(read.array[::2, ::2, ::2], values, atol=1e-5)  # every other voxel lies on the map's own
    np.testing.assert_allclose(read.array[1:-1:2, ::2, ::2], (values[1:] + values[:-1]) / 2, atol=1e-5)
    scan[:3, 3] = 1000
    with pytest.raises(ScantuneError, match="no voxel of the scan"):
        draw.write_nifti(path, Saliency(values, "l", "gradcam"), grid, scan=((12, 16, 20), scan))
    same = resample(values, AFFINE, values.shape, AFFINE)
    np.testing.assert_allclose(same, values, atol=1e-5)


@settings(deadline=None, max_examples=25)
@given(
    shift=st.tuples(*[st.floats(-3, 3)] * 3),
    steps=st.tuples(*[st.floats(0.5, 2)] * 3),
    shape=st.tuples(*[st.integers(4, 9)] * 3),
)
def test_resampling_a_plane_is_exact(
    shift: tuple[float, ...], steps: tuple[float, ...], shape: tuple[int, ...]
) -> None:
    """Linear interpolation of a linear function of mm: the value at a voxel is that function at its own mm."""
    k, j, i = np.indices((12, 12, 12))
    x, y, z = (AFFINE @ np.stack([i, j, k, np.ones_like(i)]).reshape(4, -1))[:3].reshape(3, 12, 12, 12)
    values = (x + 2 * y + 3 * z).astype(np.float32)
    onto_affine = AFFINE @ np.array([[steps[0], 0, 0, 4 + shift[0]], [0, steps[1], 0, 4 + shift[1]],
                                     [0, 0, steps[2], 4 + shift[2]], [0, 0, 0, 1]])  # fmt: skip
    made = resample(values, AFFINE, shape, onto_affine)
    k, j, i = np.indices(shape)
    ones = np.ones_like(i)
    index = (np.linalg.inv(AFFINE) @ onto_affine @ np.stack([i, j, k, ones]).reshape(4, -1))[:3]
    inside = ((index > 0.05) & (index < 10.95)).all(0).reshape(shape)
    x, y, z = (onto_affine @ np.stack([i, j, k, ones]).reshape(4, -1))[:3].reshape(3, *shape)
    np.testing.assert_allclose(made[inside], (x + 2 * y + 3 * z)[inside], atol=2e-2)


def test_nifti_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScantuneError, match="all zero"):
        draw.write_nifti(tmp_path / "a.nii", NOWHERE, AFFINE)
    with pytest.raises(ScantuneError, match=r"requires \[D, H, W\]"):
        draw.write_nifti(tmp_path / "a.nii", saliency("image"), AFFINE)
    assert not list(tmp_path.iterdir())


def entry(value: float | None, passed: bool | None, **more: object) -> dict[str, object]:
    bounds = {"lower": None, "upper": None} if value is None else {"lower": value - 0.1, "upper": value + 0.1}
    reason = "undefined in all of 4 samples" if value is None else None
    rule = "passes where the upper bound is below 0.5"
    return {"value": value, **bounds, "reason": reason, "passed": passed, "rule": rule, "n": 8, "n_subjects": 8, **more}


def test_figures_of_the_checks_say_passed_failed_or_why_not() -> None:
    steps = [
        {"down_to": "head", "ssim": 0.5, **entry(0.6, None)},
        {"down_to": "stem", "ssim": None, **entry(None, None)},
    ]
    failed = entry(0.7, False, steps=steps)
    text = words(draw.cascade(failed))
    assert "FAILED" in text
    assert "passes where the upper bound" in text
    beside = entry(0.9, False, map=0.6, difference={"value": -0.3, "lower": -0.4, "upper": -0.2})
    overview = draw.overview({"weight_randomization": failed, "repeatability": entry(0.8, True, chance=0.1),
                              "mask_auprc": entry(None, None), "mask_auprc_segmentation": beside})  # fmt: skip
    text = words(overview)
    assert "0.70 (0.60 to 0.80)   FAILED" in text
    assert "0.80 (0.70 to 0.90)   passed" in text
    assert "undefined: undefined in all of 4 samples" in text
    assert any("map − segmentation network (0.90)" in tick.get_text() for tick in overview.axes[0].get_yticklabels())
    assert "−0.30 (−0.40 to −0.20)   FAILED" in text
    assert "95 % intervals" in text
    assert "90 % intervals" in words(draw.overview({"repeatability": entry(0.8, True)}, 0.9))
    assert "90 % interval." in words(draw.cascade(failed, 0.9))


@pytest.mark.parametrize("number", [1, 3, 6, 9])
def test_the_reason_for_no_map_lies_within_its_picture(number: int) -> None:
    """However many pictures stand side by side."""
    figure = draw.sheet({"worst": [(sample_view("image"), NOWHERE)] * number})
    figure.draw_without_rendering()
    for axes in figure.axes:
        box = axes.get_window_extent()
        for text in (one for one in axes.texts if "undefined" in one.get_text()):
            extent = text.get_window_extent()
            assert box.x0 - 1 <= extent.x0
            assert extent.x1 <= box.x1 + 1


def test_a_negative_value_without_an_interval_is_within_the_axis() -> None:
    alone = {**entry(-0.4, None), "lower": None, "upper": None}
    axes = draw.overview({"repeatability": alone}).axes[0]
    assert axes.get_xlim()[0] < -0.4


@pytest.mark.parametrize("directions", ["LPS", "RAS", "ASL", "IRP"])
def test_nifti_has_the_shape_and_the_affine_of_the_scans_file(directions: str, tmp_path: Path) -> None:
    """A scan stored in any direction, written and read by another library: the overlay's grid is the file's own."""
    import nibabel

    ras = nibabel.Nifti1Image(np.arange(10 * 8 * 6, dtype=np.float32).reshape(10, 8, 6), AFFINE)
    turn = nibabel.orientations.axcodes2ornt(tuple(directions))
    stored = ras.as_reoriented(nibabel.orientations.ornt_transform(nibabel.io_orientation(AFFINE), turn))
    nibabel.save(stored, tmp_path / "scan.nii.gz")
    read = io.read(tmp_path / "scan.nii.gz")
    values = np.zeros(read.array.shape, np.float32)
    values[1, 2, 3] = 1
    draw.write_nifti(
        tmp_path / "map.nii.gz",
        Saliency(values, "l", "gradcam"),
        read.affine,
        scan=(read.array.shape, read.affine),
        stored=str(read.facts["orientation"]),
    )
    overlay = nibabel.load(tmp_path / "map.nii.gz")
    assert overlay.shape == stored.shape
    np.testing.assert_allclose(overlay.affine, stored.affine, atol=1e-4)
    peak = np.unravel_index(int(np.argmax(overlay.get_fdata())), overlay.shape)
    assert stored.get_fdata()[peak] == read.array[1, 2, 3]


def test_mp4_plays_the_loop_several_times_at_its_pace(tmp_path: Path) -> None:
    path = draw.animate(tmp_path / "loop.mp4", sample_view("video"), saliency("video"), side=61)
    loop = io.open_video(path)
    assert loop.n_frames == 21
    assert loop.frame_time == pytest.approx(40, abs=1)
    assert loop.height % 2 == loop.width % 2 == 0
    assert [p.name for p in tmp_path.iterdir()] == ["loop.mp4"]
    with pytest.raises(ScantuneError, match=r"ends in \.gif or \.mp4, not '\.avi'"):
        draw.animate(tmp_path / "loop.avi", sample_view("video"), saliency("video"))


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from(["pad", "crop", "stretch"]),
    st.tuples(st.integers(40, 90), st.integers(40, 90)),
    st.tuples(st.integers(32, 64), st.integers(32, 64)),
    st.sampled_from([None, (1.0, 1.5), (0.3, 0.2)]),
)
def test_the_map_lies_over_what_the_network_saw(
    how: str, shape: tuple[int, int], size: tuple[int, int], pixel: tuple[float, float] | None
) -> None:
    """A bright square goes through preprocessing; taken for a map and drawn over the file, it lies on the square."""
    from scantune.pipeline.maps.display import box_of
    from scantune.preprocess.plane import fit, place

    picture = np.zeros(shape, np.float32)
    middle = tuple(n // 2 for n in shape)
    picture[middle[0] - 6 : middle[0] + 6, middle[1] - 6 : middle[1] + 6] = 1
    seen = place(picture, fit(shape, size, how, pixel))
    back = onto(seen, shape, box_of(shape, shape, {"shape": size, "resize": how}, pixel))
    assert back.shape == shape
    assert np.corrcoef(back.ravel(), picture.ravel())[0, 1] > 0.85


def test_long_words_do_not_run_into_the_next_picture() -> None:
    from scantune.explain.draw.sheet import _head

    long = replace(
        sample_view("image"), prediction="eosinophil (0.62)", interval="{" + ", ".join(["basophil"] * 20) + "}"
    )
    lines = _head(long, 1.0)
    assert max(len(line) for line in lines) <= 1.0 * 72 / (5.5 * 0.56)
    assert any(line.endswith("…") for line in lines)
    assert "set {basophil," in long.caption()


def test_a_maximum_in_an_empty_plane_is_said_and_the_nearest_plane_with_something_is_shown() -> None:
    from scantune.explain.draw.sheet import flat

    image = np.zeros((8, 6, 6), np.float32)
    image[2:5] = 100.0
    values = np.zeros_like(image)
    values[7, 1, 1], values[4, 5, 0] = 1.0, 0.5
    view = draw.SampleView("s", image, "volume", window=(0.0, 100.0))
    picture, result, _, _ = flat(view, Saliency(values, "l", "m", grid=(2, 2, 2)))
    assert float(picture.max()) == 1.0
    assert float(result.max()) == 0.5  # plane 4
    assert "maximum outside" in words(draw.sheet({"best": [(view, Saliency(values, "l", "m", grid=(2, 2, 2)))]}))
    values[3, 0, 0] = 2.0
    assert "maximum outside" not in words(draw.sheet({"best": [(view, Saliency(values / 2, "l", "m"))]}))
