"""Pixels that do not count, labels that overlap, a region of the metrics, and masks of other readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scantune import io, preprocess
from scantune.mask_codes import IGNORED
from scantune.preprocess import own_grid, store
from scantune.preprocess.mask_labels import WrongLabels, column_text, counts_of, label_fault
from scantune.preprocess.mask_rule import MaskRule
from scantune.preprocess.masks import MaskError, merged
from scantune.preprocess.sample import Job, process
from scantune.records import Record
from tests.preprocess.direct import prepare_image, prepare_volume

SCALE = {"name": "scale"}
SHAPE = (20, 30)


def drawing(rows: slice, columns: slice, value: int = 255) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[rows, columns] = value
    return mask


DISC = drawing(slice(4, 16), slice(5, 17))
CUP = drawing(slice(7, 11), slice(8, 12))
FIELD = drawing(slice(2, 18), slice(0, 15))


@pytest.fixture
def fundus(tmp_path: Path) -> Path:
    """A picture, and masks of a disc with a cup in it, of the field of view, and of a second reader's disc."""
    rng = np.random.default_rng(0)
    masks = {"disc": DISC, "cup": CUP, "field": FIELD, "second": np.roll(DISC, 2, axis=1)}
    for name, array in {"image": rng.integers(0, 200, SHAPE).astype(np.uint8), **masks}.items():
        Image.fromarray(array).save(tmp_path / f"{name}.png")
    return tmp_path


def test_a_value_can_stand_for_pixels_that_do_not_count():
    mask, facts = merged([np.array([[0, 1, 2, 255]])], (1, 4), MaskRule(values={255: "ignore"}))
    assert mask.tolist() == [[0, 1, 2, IGNORED]]
    text = column_text(facts)
    assert text == "1=1 2=1 ignored=1"
    assert counts_of(text) == {1: 1, 2: 1}
    assert label_fault(text, 3) is None
    mask, _ = merged([np.array([[0, 7, 3]])], (1, 3), MaskRule(values={7: 1, 3: "ignore"}))
    assert mask.tolist() == [[0, 1, IGNORED]]


def test_a_255_that_nothing_explains_is_a_wrong_label_or_told():
    _, facts = merged([np.array([[0, 1, 255]])], (1, 3), MaskRule())
    assert "label 255 (1)" in label_fault(column_text(facts), 2)
    with pytest.raises(MaskError, match=r"value 255, which 'mask_values' does not name: .*\{255: ignore\}"):
        merged([np.array([[0, 128, 255]])], (1, 3), MaskRule(values={128: 1}))


def test_overlapping_masks_are_ambiguous_unless_the_input_says_that_labels_overlap(fundus):
    masks = [fundus / "disc.png", fundus / "cup.png"]
    with pytest.raises(MaskError, match=r"masks overlap, so labels are ambiguous: .*'mask_overlap'.*'overlapping'"):
        prepare_image([fundus / "image.png"], masks, intensity=SCALE)
    prepared = prepare_image([fundus / "image.png"], masks, intensity=SCALE, mask_overlap=True)
    np.testing.assert_array_equal(prepared.mask[0], (DISC > 0) + 2 * (CUP > 0))
    assert prepared.facts["mask_labels"] == {"1": (DISC > 0).sum(), "2": (CUP > 0).sum()}


def test_values_of_one_file_become_sums_of_bits():
    nested = np.array([[0, 1, 2, 3]])  # 2 lies inside 1, and 3 inside 2
    mask, facts = merged([nested], (1, 4), MaskRule(values={2: 3, 3: 7}, overlap=True))
    assert mask.tolist() == [[0, 1, 3, 7]]
    assert facts["mask_labels"] == {"1": 3, "2": 2, "3": 1}
    with pytest.raises(MaskError, match=r"values \[200\]: with 'mask_overlap' values are sums of 1, 2, 4"):
        merged([np.array([[0, 200]])], (1, 2), MaskRule(overlap=True))
    with pytest.raises(MaskError, match="8 masks that may overlap: at most 7"):
        merged([np.array([[1]])] * 8, (1, 1), MaskRule(overlap=True))


def test_the_region_limits_the_metrics_and_not_what_is_learned(fundus):
    prepared = prepare_image(
        [fundus / "image.png"],
        [fundus / "disc.png"],
        intensity=SCALE,
        region=fundus / "field.png",
        rater_masks={"second": [fundus / "second.png"], "third": []},
    )
    np.testing.assert_array_equal(prepared.mask[0], DISC > 0)
    np.testing.assert_array_equal(prepared.own_mask, np.where(FIELD > 0, DISC > 0, IGNORED))
    np.testing.assert_array_equal(prepared.measured_mask[0], prepared.own_mask)
    assert prepare_image([fundus / "image.png"], [fundus / "disc.png"], intensity=SCALE).measured_mask is None
    assert set(prepared.rater_masks) == {"second"}
    np.testing.assert_array_equal(prepared.rater_masks["second"], np.roll(DISC, 2, axis=1) > 0)
    assert prepared.facts["mask_labels"] == {"255": (DISC > 0).sum()}


def test_a_fault_says_which_of_the_masks_has_it(fundus):
    Image.fromarray(np.zeros(SHAPE, np.uint8)).save(fundus / "empty.png")
    Image.fromarray(np.ones((5, 5), np.uint8)).save(fundus / "small.png")
    images, masks = [fundus / "image.png"], [fundus / "disc.png"]
    with pytest.raises(MaskError, match="its region: nothing is marked"):
        prepare_image(images, masks, intensity=SCALE, region=fundus / "empty.png")
    with pytest.raises(MaskError, match="its region: the mask is 5×5 where its image is 20×30"):
        prepare_image(images, masks, intensity=SCALE, region=fundus / "small.png")
    with pytest.raises(MaskError, match="its mask of reader second: the mask is 5×5"):
        prepare_image(images, masks, intensity=SCALE, rater_masks={"second": [fundus / "small.png"]})
    with pytest.raises(MaskError, match="its mask of reader second"):
        prepare_image(images, masks, intensity=SCALE, rater_masks={"second": [fundus / "none.png"]})


def test_readers_lie_in_the_store_by_name_and_a_changed_mask_is_another_sample(fundus, tmp_path):
    settings = {"dataset": "d", "modality": "image", "intensity": SCALE, "shape": [16, 16]}
    readers = {"second": (fundus / "second.png",), "third": ()}
    job = Job("s", (fundus / "image.png",), (fundus / "disc.png",), region=fundus / "field.png", rater_masks=readers)
    outcome = process(job, settings, tmp_path / "store")
    assert outcome.key, outcome.detail
    place = own_grid.place_of(store.sample_path(tmp_path / "store", outcome.key), None)
    assert place.readers["third"] is None
    np.testing.assert_array_equal(place.readers["second"](), np.roll(DISC, 2, axis=1) > 0)
    np.testing.assert_array_equal(place.truth() == IGNORED, FIELD == 0)
    plain = process(Job("s", job.files, job.masks), settings, tmp_path / "store")
    renamed = process(
        Job("s", job.files, job.masks, region=job.region, rater_masks={"other": readers["second"]}),
        settings,
        tmp_path / "store",
    )
    Image.fromarray(CUP).save(fundus / "second.png")
    changed = process(job, settings, tmp_path / "store")
    assert len({outcome.key, plain.key, renamed.key, changed.key}) == 4


def test_a_volume_has_them_on_its_own_grid(tmp_path):
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    mask = np.zeros((4, 8, 8), np.float32)
    mask[1:3, 2:6, 2:6] = 1
    field = np.zeros_like(mask)
    field[:2] = 1
    for name, array in {"i": mask * 5 + 1, "m": mask, "f": field, "r": np.roll(mask, 1, axis=2)}.items():
        io.write_nifti(tmp_path / f"{name}.nii.gz", io.Volume(array, affine))
    prepared = prepare_volume(
        [tmp_path / "i.nii.gz"],
        [tmp_path / "m.nii.gz"],
        intensity={"name": "none"},
        spacing=[2, 2, 2],
        region=tmp_path / "f.nii.gz",
        rater_masks={"r": [tmp_path / "r.nii.gz"]},
    )
    np.testing.assert_array_equal(prepared.own_mask, np.where(field > 0, mask, IGNORED))
    np.testing.assert_array_equal(prepared.rater_masks["r"], np.roll(mask, 1, axis=2))
    outside = prepared.measured_mask == IGNORED
    np.testing.assert_array_equal(prepared.measured_mask[~outside], prepared.mask[~outside])
    assert outside.any()
    assert not outside.all()


def test_instances_in_files_values_or_colours_are_one_foreground(fundus):
    cells = np.zeros(SHAPE, np.uint16)
    cells[2:6, 2:6], cells[4:9, 5:12], cells[12:18, 3:20] = 1, 700, 65535
    for number, value in enumerate((1, 700, 65535)):
        Image.fromarray(((cells == value) * 255).astype(np.uint8)).save(fundus / f"cell_{number}.png")
    whole = drawing(slice(4, 9), slice(4, 8))  # overlaps two others
    Image.fromarray(whole).save(fundus / "cell_3.png")
    Image.fromarray(cells).save(fundus / "numbers.png")
    Image.fromarray(np.stack([cells > 1, cells == 1, cells == 700], axis=2).astype(np.uint8) * 77).save(
        fundus / "colours.png"
    )
    marked = (cells > 0).astype(np.uint8)

    def drawn(*names: str) -> np.ndarray:
        files = [fundus / name for name in names]
        return prepare_image([fundus / "image.png"], files, intensity=SCALE, mask_instances=True).mask[0]

    np.testing.assert_array_equal(drawn(*(f"cell_{k}.png" for k in range(3))), marked)
    np.testing.assert_array_equal(drawn("numbers.png"), marked)
    np.testing.assert_array_equal(drawn("colours.png"), marked)
    np.testing.assert_array_equal(drawn(*(f"cell_{k}.png" for k in range(4))), marked | (whole > 0))


def test_a_region_that_compression_has_spread_is_refused(fundus):
    """Around what is marked JPEG leaves values of 1 to 10: whatever is not 0 would be measured."""
    Image.fromarray(FIELD).save(fundus / "field.jpg", quality=70)
    files = [fundus / "image.png"], [fundus / "disc.png"]
    with pytest.raises(MaskError, match=r"its region: saved with lossy compression.*PNG"):
        prepare_image(*files, intensity=SCALE, region=fundus / "field.jpg")
    prepared = prepare_image(*files, intensity=SCALE, region=fundus / "field.png")
    assert ((prepared.measured_mask[0] != IGNORED) == (FIELD > 0)).all()


def test_labels_of_a_reader_that_no_class_has_stop_preprocess(fundus, inputs):
    """They are measured against the model and the reference as those of the reference are."""
    Image.fromarray(DISC // 255 * 3).save(fundus / "third.png")
    Image.fromarray(DISC).save(fundus / "lossy.jpg", quality=60)

    def run(reader: str) -> None:
        readers = {"second": (fundus / "second.png",), "other": (fundus / reader,)}
        record = Record("x1", "s1", (fundus / "image.png",), (fundus / "disc.png",), rater_masks=readers)
        preprocess.run(
            [record],
            inputs["image"](),
            fundus / "out",
            fundus / "store",
            mask_classes={"experiments.disc": ("background", "disc")},
            progress=False,
        )

    run("second.png")
    with pytest.raises(WrongLabels, match=r"third.png \(x1, reader other\): label 3 \(144\)"):
        run("third.png")
    with pytest.raises(WrongLabels, match=r"lossy.jpg \(x1, reader other\): saved with lossy compression"):
        run("lossy.jpg")
