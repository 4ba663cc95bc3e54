"""Masks of any origin become the labels that were meant, or are told by file with what would be right."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from scantune import io, preprocess
from scantune.preprocess.mask_labels import WrongLabels, column_text, label_fault
from scantune.preprocess.mask_outlines import outline_notes
from scantune.preprocess.mask_rule import MaskRule
from scantune.preprocess.masks import MaskError, merged
from scantune.records import Record
from tests.preprocess.direct import prepare_image

SCALE = {"name": "scale"}


@pytest.fixture
def scene(tmp_path: Path):
    """A picture of a bright object, and a mask (uint8, 0 and 1) of that object."""
    mask = np.zeros((24, 32), np.uint8)
    mask[3:9, 2:20] = 1
    picture = mask * np.uint8(200) + np.random.default_rng(0).integers(0, 30, mask.shape).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "image.png")
    return tmp_path, mask


def prepared_mask(folder: Path, name: str, **options) -> np.ndarray:
    return prepare_image([folder / "image.png"], [folder / name], intensity=SCALE, **options).mask[0]


def palette_image(indices: np.ndarray, colours: list[tuple[int, int, int]]) -> Image.Image:
    image = Image.fromarray(indices).convert("P")
    image = Image.frombytes("P", indices.shape[::-1], indices.tobytes())
    image.putpalette([part for colour in colours for part in colour])
    return image


@pytest.mark.parametrize("suffix", ["png", "gif", "bmp", "tiff", "webp"])
@pytest.mark.parametrize("top", [1, 255])
def test_masks_of_every_lossless_format_give_the_same_labels(scene, suffix, top):
    folder, mask = scene
    Image.fromarray(mask * np.uint8(top)).save(
        folder / f"m.{suffix}", **({"lossless": True} if suffix == "webp" else {})
    )
    np.testing.assert_array_equal(prepared_mask(folder, f"m.{suffix}"), mask)


def test_values_within_a_thousandth_of_whole_numbers_are_labels():
    values = np.array([[0, 1.0000001, 1.9999, 3]])
    mask, facts = merged([values], (1, 4), MaskRule())
    assert mask.tolist() == [[0, 1, 2, 3]]
    assert facts["mask_labels"] == {"1": 1, "2": 1, "3": 1}
    with pytest.raises(MaskError, match=r"1 mask values are not whole, such as 1\.5.*mask_threshold"):
        merged([np.array([[0, 1.5, 2, 3]])], (1, 4), MaskRule())
    with pytest.raises(MaskError, match="not whole, such as nan"):
        merged([np.array([[0, np.nan]])], (1, 2), MaskRule())


def test_white_of_16_bits_is_white(scene):
    folder, mask = scene
    Image.fromarray(mask.astype(np.uint16) * 65535).save(folder / "mask.png")
    np.testing.assert_array_equal(prepared_mask(folder, "mask.png"), mask)
    Image.fromarray(mask.astype(np.uint16) * 65534).save(folder / "mask.png")
    with pytest.raises(MaskError, match="mask values from 0 to 65534"):
        prepared_mask(folder, "mask.png")


@pytest.mark.parametrize("thin", [0, 1, 2])
def test_a_nifti_mask_of_a_picture_is_taken_where_it_is_stored_as_it_is_shown(scene, thin):
    folder, mask = scene
    affine = -np.eye(4)  # to the left, posterior, inferior: pictures run so
    affine[thin, thin] = affine[3, 3] = 1
    stored = np.expand_dims(mask.T, thin)
    nibabel.save(nibabel.Nifti1Image(stored, affine), folder / "mask.nii")
    np.testing.assert_array_equal(prepared_mask(folder, "mask.nii"), mask)
    nibabel.save(nibabel.Nifti1Image(stored, np.eye(4)), folder / "mask.nii")  # viewers turn it by 180 degrees
    with pytest.raises(MaskError, match="which way round the mask lies cannot be told"):
        prepared_mask(folder, "mask.nii")
    np.testing.assert_array_equal(prepared_mask(folder, "mask.nii", mask_grid="shown"), mask[::-1, ::-1])


def test_values_are_mapped_to_labels_by_key(scene):
    folder, mask = scene
    Image.fromarray(np.where(mask, np.where(np.arange(32) < 10, 128, 255), 0).astype(np.uint8)).save(folder / "m.png")
    labels = prepared_mask(folder, "m.png", mask_values={"128": 1, "255": 2})
    np.testing.assert_array_equal(labels, np.where(mask, np.where(np.arange(32) < 10, 1, 2), 0))
    Image.fromarray(mask * np.uint8(255)).save(folder / "one.png")  # of three classes the last alone is there
    assert set(np.unique(prepared_mask(folder, "one.png", mask_values={"128": 1, "255": 2}))) == {0, 2}


def test_a_jpeg_mask_is_told_of_or_cut_at_a_threshold(scene):
    folder, mask = scene
    Image.fromarray(mask * np.uint8(255)).save(folder / "m.jpg", quality=60)
    facts = prepare_image([folder / "image.png"], [folder / "m.jpg"], intensity=SCALE).facts
    assert "lossy compression" in label_fault(column_text(facts), 2)
    assert (prepared_mask(folder, "m.jpg", mask_threshold=128) != mask).mean() < 0.01


def test_palettes_are_read_by_index_and_what_they_show_is_told(scene):
    folder, mask = scene
    indices = mask + mask * (np.arange(32) > 9).astype(np.uint8)
    palette_image(indices, [(0, 0, 0), (255, 0, 0), (0, 255, 0)]).save(folder / "m.png")
    prepared = prepare_image([folder / "image.png"], [folder / "m.png"], intensity=SCALE)
    np.testing.assert_array_equal(prepared.mask[0], indices)
    assert any("1 shown as #ff0000, 2 shown as #00ff00" in note for note in prepared.facts["notes"])


def test_a_palette_of_black_and_white_is_painted_whatever_its_indices(scene):
    folder, mask = scene
    palette_image(mask * np.uint8(7), [(0, 0, 0)] + [(9, 9, 9)] * 6 + [(255, 255, 255)]).save(folder / "m.png")
    np.testing.assert_array_equal(prepared_mask(folder, "m.png"), mask)


def test_a_palette_whose_first_colour_is_no_background_is_refused_until_a_key_says_which(scene):
    folder, mask = scene
    palette_image(1 - mask, [(255, 255, 255), (0, 0, 0)]).save(folder / "m.png")
    with pytest.raises(MaskError, match="shows index 0 as #ffffff and index 1 in black"):
        prepared_mask(folder, "m.png")
    np.testing.assert_array_equal(prepared_mask(folder, "m.png", mask_values={"0": 1, "1": 0}), mask)


@pytest.mark.parametrize("bits", [2, 4])
def test_labels_in_few_bits_are_not_spread(scene, bits):
    import zlib

    folder, mask = scene
    labels = mask * 3
    rows = b"".join(b"\0" + _packed(row, bits) for row in labels)
    header = b"IHDR" + (32).to_bytes(4, "big") + (24).to_bytes(4, "big") + bytes([bits, 0, 0, 0, 0])
    chunks = [header, b"IDAT" + zlib.compress(rows), b"IEND"]
    parts = [(len(c) - 4).to_bytes(4, "big") + c + zlib.crc32(c).to_bytes(4, "big") for c in chunks]
    (folder / "m.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    np.testing.assert_array_equal(prepared_mask(folder, "m.png"), labels)


def _packed(row: np.ndarray, bits: int) -> bytes:
    spread = np.unpackbits(row[:, None].astype(np.uint8), axis=1)[:, 8 - bits :]
    return np.packbits(spread.reshape(-1)).tobytes()


@pytest.mark.parametrize("turn", range(2, 9))
def test_exif_turns_picture_and_mask_together_or_the_pair_is_left_out(tmp_path, turn):
    rng = np.random.default_rng(turn)
    picture = rng.integers(0, 255, (24, 24), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(picture).save(tmp_path / "image.png", exif=exif)
    mask = (picture > 127).astype(np.uint8)
    Image.fromarray(mask).save(tmp_path / "plain.png")
    Image.fromarray(mask).save(tmp_path / "alike.png", exif=exif)
    Image.fromarray(mask).save(tmp_path / "alike.tiff", tiffinfo={274: turn})
    with pytest.raises(MaskError, match=f"orientation {turn} and 1.*mask_grid"):
        prepared_mask(tmp_path, "plain.png")
    pixels = prepare_image([tmp_path / "image.png"], intensity=SCALE).tensor[0]
    for name, options in (("alike.png", {}), ("alike.tiff", {}), ("plain.png", {"mask_grid": "stored"}),
                          ("alike.tiff", {"mask_grid": "stored"})):  # fmt: skip
        np.testing.assert_array_equal(prepared_mask(tmp_path, name, **options), pixels > 127)
    np.testing.assert_array_equal(prepared_mask(tmp_path, "plain.png", mask_grid="shown"), mask)


@pytest.mark.parametrize(
    "text, classes, expected",
    [
        ("1=12", 2, None),
        ("255=12", 2, None),
        ("255=12", 3, "label 255 (12)"),
        ("1=12 2=3", 2, "label 2 (3)"),
        ("1=12 2=3", 3, None),
        ("1=12 255=3", 2, "label 255 (3)"),
        ("255=12 lossy", 2, "lossy"),
        (" ".join(f"{n}=1" for n in range(1, 30)), 2, "28 labels from 2 to 29 (28 pixels)"),
        ("", 2, None),
    ],
)
def test_labels_outside_of_a_task(text, classes, expected):
    fault = label_fault(text, classes)
    assert fault is None if expected is None else expected in fault


def test_preprocess_stops_over_labels_that_no_class_has_and_names_the_files(tmp_path, inputs, pictures):
    records = []
    for number, record in enumerate(pictures(3, (12, 10))):
        path = tmp_path / f"mask{number}.png"
        io.write_png(path, np.full((12, 10), (number > 0) + (number == 2), np.uint8))
        records.append(Record(record.sample_id, record.subject_id, record.files, (path,)))
    run = {"settings": inputs["image"](shape=[8, 8]), "out_dir": tmp_path / "out", "store_dir": tmp_path / "store"}
    tasks = {"experiments.x": ("background", "vessel"), "experiments.y": ("background", "a", "b")}
    with pytest.raises(WrongLabels, match=r"1 of 2 masks .*experiments\.x .*0 background, 1 vessel") as caught:
        preprocess.run(records, **run, mask_classes=tasks, progress=False)
    assert "mask2.png (x2): label 2 (120)" in str(caught.value)
    assert "mask1.png" not in str(caught.value)
    summary = preprocess.run(records, **run, mask_classes={"experiments.y": tasks["experiments.y"]}, progress=False)
    assert summary.prepared == 3


def test_negative_values_of_a_mask_are_values_in_a_worker_too(tmp_path, volumes, inputs):
    """Settings reach a worker, and a saved model, as JSON, where keys are texts."""
    smooth, _ = volumes
    image, mask = smooth((4, 5, 6)), smooth((4, 5, 6))
    labels = np.zeros((4, 5, 6), np.int16)
    labels[0], labels[1] = -1, 200
    io.write_nifti(tmp_path / "image.nii", image)
    io.write_nifti(tmp_path / "mask.nii", io.Volume(labels, mask.affine))
    block = inputs["volume"](mask_values={-1: "ignore", 200: 1})
    result = preprocess.prepare([tmp_path / "image.nii"], [tmp_path / "mask.nii"], block.model_dump(mode="json"))
    expected = np.where(labels == -1, 255, labels > 0)
    np.testing.assert_array_equal(result.mask[0], expected)


RED, GREEN = {"#800000": 1}, {"#008000": "ignore"}


@pytest.fixture
def painted(tmp_path: Path) -> Path:
    """An image and its mask of two colours on black."""
    colours = np.zeros((12, 16, 3), np.uint8)
    colours[2:6, 3:9], colours[8:10, 2:4] = (128, 0, 0), (0, 128, 0)
    io.write_png(tmp_path / "image.png", np.random.default_rng(0).integers(0, 255, (12, 16), np.uint8))
    Image.fromarray(colours).save(tmp_path / "colours.png")
    Image.fromarray(colours).quantize(8).save(tmp_path / "palette.png")
    Image.fromarray(colours).save(tmp_path / "lossy.jpg")
    Image.fromarray(np.zeros((12, 16), np.uint8)).save(tmp_path / "empty.png")
    Image.fromarray(colours.astype(np.uint8)).convert("RGBA").save(tmp_path / "alpha.png")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "counts"),
    [("colours.png", {0: 164, 1: 24, 255: 4}), ("palette.png", {0: 164, 1: 24, 255: 4}),
     ("alpha.png", {0: 164, 1: 24, 255: 4}), ("empty.png", {0: 192})],
)  # fmt: skip
def test_each_colour_of_a_mask_is_the_label_that_mask_values_state(painted, name, counts):
    prepared = prepare_image([painted / "image.png"], [painted / name], mask_values={**RED, **GREEN})
    values, numbers = np.unique(prepared.mask, return_counts=True)
    assert dict(zip(values.tolist(), numbers.tolist(), strict=True)) == counts


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("colours.png", {}, '{"#800000": 1}.*it has #000000, #008000, #800000$'),
        ("colours.png", RED, "does not name: #008000$"),
        ("lossy.jpg", {}, "without compression"),
        ("lossy.jpg", {**RED, **GREEN}, "does not name: #.*more$"),
    ],
)
def test_colours_that_nothing_explains_are_refused_with_what_to_write(painted, name, values, words):
    with pytest.raises(MaskError, match=words):
        prepare_image([painted / "image.png"], [painted / name], mask_values=values)


def test_colours_beside_values_or_names_are_refused():
    for other in ({255: 2}, {"liver": 2}):
        with pytest.raises(ValueError, match="mixes values, names and colours"):
            prepare_image([Path("a.png")], mask_values={**RED, **other})


def test_outlines_that_were_not_filled_are_noted_and_branches_are_not():
    ring, thick, tree = (np.zeros((80, 80), np.uint8) for _ in range(3))
    ring[20:60, 20:60], thick[20:60, 20:60] = 1, 1
    ring[22:58, 22:58], thick[28:52, 28:52] = 0, 0
    tree[10:70, 40:42], tree[38:40, 10:70], tree[10:40, 10:12], tree[10:12, 10:42] = 1, 1, 1, 1
    assert "thin lines around 1296 others" in outline_notes(ring)[0]
    for mask in (thick, tree, (ring.cumsum(1) > 0).astype(np.uint8), ring * 0):
        assert outline_notes(mask) == []
