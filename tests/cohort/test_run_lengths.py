"""Run lengths in tables, counted in every way that such tables count, to the masks they were made of."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scantune import cohort, io
from scantune.cohort.annotations.images import Images
from scantune.cohort.annotations.masks import Written, masks_of
from scantune.cohort.annotations.run_lengths import Counting, column_of, numbers_of
from scantune.cohort.faults import CohortError
from scantune.config.dataset import DatasetConfig

Encode = Callable[[np.ndarray], str]


def blob(seed: int, shape: tuple[int, int] = (40, 60)) -> np.ndarray:
    """An ellipse, bool [H, W]."""
    rng, (y, x) = np.random.default_rng(seed), np.mgrid[: shape[0], : shape[1]]
    middle, half = rng.uniform(0.35, 0.65, 2) * shape, rng.uniform(0.1, 0.25, 2) * shape
    return ((y - middle[0]) / half[0]) ** 2 + ((x - middle[1]) / half[1]) ** 2 < 1


def runs(mask: np.ndarray, order: str) -> tuple[np.ndarray, np.ndarray]:
    """Starts from 0, and lengths."""
    line = np.concatenate([[0], (mask if order == "rows" else mask.T).ravel().astype(int), [0]])
    starts, ends = (np.flatnonzero(np.diff(line) == step) for step in (1, -1))
    return starts, ends - starts


def absolute(mask: np.ndarray, order: str = "columns", first: int = 1) -> str:
    starts, lengths = runs(mask, order)
    return " ".join(f"{s + first} {n}" for s, n in zip(starts, lengths, strict=True))


def relative(mask: np.ndarray, order: str = "columns") -> str:
    """As SIIM-ACR has them: from the end of the run before."""
    starts, lengths = runs(mask, order)
    before = np.concatenate([[0], (starts + lengths)[:-1]])
    return " ".join(f"{s - b} {n}" for s, b, n in zip(starts, before, lengths, strict=True))


def picture(path: Path, shape: tuple[int, int] = (40, 60)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    io.write_png(path, np.random.default_rng(len(path.name)).integers(0, 255, shape, np.uint8))


def table(folder: Path, head: str, rows: Sequence[Sequence[object]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "train.csv"
    path.write_text("\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def drawn(written: Written, root: Path) -> tuple[dict[str, dict[str, str]], dict[str, np.ndarray]]:
    """Rows and masks by sample."""
    rows = {row["sample_id"]: row for row in csv.DictReader(written.table.open())}
    return rows, {name: np.asarray(Image.open(root / row["mask"])) for name, row in rows.items()}


WAYS: dict[str, tuple[Encode, Counting]] = {
    "kaggle": (absolute, Counting()),
    "rows": (lambda m: absolute(m, "rows"), Counting()),
    "from 0": (lambda m: absolute(m, first=0), Counting(first=0)),
    "relative": (relative, Counting()),
    "relative rows": (lambda m: relative(m, "rows"), Counting()),
    "list": (lambda m: '"[' + absolute(m).replace(" ", ", ") + ']"', Counting()),
}


@pytest.mark.parametrize("way", WAYS)
def test_masks_come_back_from_their_run_lengths(tmp_path, way):
    encode, counting = WAYS[way]
    masks = {f"i{i}": blob(i) for i in range(6)}
    for name in masks:
        picture(tmp_path / f"d/images/{name}.png")
    path = table(tmp_path / "d", "ImageId, EncodedPixels", [(name, encode(mask)) for name, mask in masks.items()])
    rows, read = drawn(masks_of({"": path}, tmp_path / "d/masks", counting=counting), tmp_path / "d")
    for name, mask in masks.items():
        assert np.array_equal(read[name], mask * np.uint8(255)), name
        assert rows[name]["file"] == f"images/{name}.png"


def test_a_start_of_0_shows_that_pixels_count_from_0(tmp_path):
    mask = np.zeros((40, 60), bool)
    mask[:3, :2] = True
    picture(tmp_path / "d/images/a.png")
    path = table(tmp_path / "d", "id,rle", [("a", absolute(mask, first=0))])
    _, read = drawn(masks_of({"": path}, tmp_path / "d/masks"), tmp_path / "d")
    assert np.array_equal(read["a"] > 0, mask)


def test_square_pictures_do_not_show_the_order_which_is_a_choice(tmp_path):
    mask = blob(3, (48, 48))
    picture(tmp_path / "d/images/a.png", (48, 48))
    path = table(tmp_path / "d", "id,rle", [("a", absolute(mask, "rows"))])
    written = masks_of({"": path}, tmp_path / "d/masks")
    assert any("--order rows" in note and "square" in note for note in written.notes)
    assert np.array_equal(drawn(written, tmp_path / "d")[1]["a"] > 0, mask.T)
    written = masks_of({"": path}, tmp_path / "d/masks", counting=Counting(order="rows"))
    assert np.array_equal(drawn(written, tmp_path / "d")[1]["a"] > 0, mask)


def test_an_order_that_the_runs_speak_against_is_noted(tmp_path):
    picture(tmp_path / "d/images/a.png")
    path = table(tmp_path / "d", "id,rle", [("a", absolute(blob(1)))])
    notes = masks_of({"": path}, tmp_path / "d/masks", counting=Counting(order="rows")).notes
    assert any("as stated, although they join from line to line better down the columns" in note for note in notes)


@pytest.mark.parametrize("nothing", ["-1", "", " -1", "NaN", "none"])
def test_no_object_is_an_empty_mask_and_no_row_is_not(tmp_path, nothing):
    for name in "abcd":
        picture(tmp_path / f"d/images/{name}.png")
    picture(tmp_path / "d/elsewhere/e.png")
    path = table(tmp_path / "d", "ImageId,EncodedPixels", [("a", absolute(blob(1))), ("b", nothing)])
    written = masks_of({"": path}, tmp_path / "d/masks")
    rows, read = drawn(written, tmp_path / "d")
    assert set(rows) == {"a", "b"}
    assert not read["b"].any()
    assert "2 images are annotated: 1 with something marked, 1 with nothing" in written.notes
    assert any(note.startswith("2 images have no annotation (images/c.png, images/d.png)") for note in written.notes)
    rows, read = drawn(masks_of({"": path}, tmp_path / "d/masks", unlisted=True), tmp_path / "d")
    assert set(rows) == {"a", "b", "c", "d"}
    assert not read["c"].any()


def test_several_rows_of_an_image_are_objects_of_one_mask(tmp_path):
    picture(tmp_path / "d/images/a.png")
    cells = [blob(i) for i in range(3)]
    path = table(tmp_path / "d", "id,annotation,width,height", [("a", absolute(c, "rows"), 60, 40) for c in cells])
    _, read = drawn(masks_of({"": path}, tmp_path / "d/masks"), tmp_path / "d")
    assert np.array_equal(read["a"] > 0, np.any(cells, axis=0))


def apart() -> tuple[np.ndarray, np.ndarray]:
    one, other = np.zeros((2, 40, 60), bool)
    one[5:20, 5:20], other[5:30, 30:50] = True, True
    return one, other


@pytest.mark.parametrize(
    ("head", "rows"),
    [
        ("ImageId_ClassId,EncodedPixels", lambda one, other: [("a.png_1", one), ("a.png_2", other), ("a.png_3", "")]),
        ("Image_Label,EncodedPixels", lambda one, other: [("a.png_1", one), ("a.png_2", other)]),
        ("ImageId,ClassId,EncodedPixels", lambda one, other: [("a.png", 1, one), ("a.png", 2, other)]),
        ("ImageId,ClassId,EncodedPixels", lambda one, other: [("a.png", 1, one), ("a.png", 2, other), ("b", 3, -1)]),
        ("id,class,segmentation", lambda one, other: [("a", 1, one), ("a", 2, other), ("a", 3, "")]),
    ],
)
def test_categories_of_rows_or_behind_names_are_labels(tmp_path, head, rows):
    for name in "ab":
        picture(tmp_path / f"d/train_images/{name}.png")
    one, other = apart()
    path = table(tmp_path / "d", head, rows(absolute(one), absolute(other)))
    written = masks_of({"": path}, tmp_path / "d/masks", labels="category")
    listed, read = drawn(written, tmp_path / "d")
    assert np.array_equal(read["a"], one + 2 * other.astype(np.uint8))
    assert listed["a"]["categories"] == "1 2"
    _, read = drawn(masks_of({"": path}, tmp_path / "d/masks", labels={"2": 7}), tmp_path / "d")
    assert np.array_equal(read["a"], 7 * other.astype(np.uint8))
    with pytest.raises(CohortError, match="no category 'two'"):
        masks_of({"": path}, tmp_path / "d/masks", labels={"two": 1})


def test_categories_that_pandas_wrote_beside_empty_cells_keep_their_numbers(tmp_path):
    for name in "abc":
        picture(tmp_path / f"d/images/{name}.png")
    one, other = apart()
    rows = [("a", "1.0", absolute(one)), ("a", "10.0", absolute(other)), ("b", "2.0", absolute(one)), ("c", "", "")]
    path = table(tmp_path / "d", "ImageId,ClassId,EncodedPixels", rows)
    _, read = drawn(masks_of({"": path}, tmp_path / "d/masks", labels="category"), tmp_path / "d")
    assert np.array_equal(read["a"], one + 10 * other.astype(np.uint8))
    assert np.array_equal(read["b"], 2 * one.astype(np.uint8))
    _, read = drawn(masks_of({"": path}, tmp_path / "d/masks", labels={"10": 3}), tmp_path / "d")
    assert np.array_equal(read["a"], 3 * other.astype(np.uint8))


def test_one_category_of_all_rows_has_its_name(tmp_path):
    picture(tmp_path / "d/images/a.png")
    path = table(tmp_path / "d", "id,class,rle", [("a", "Tumour", absolute(blob(1)))])
    _, read = drawn(masks_of({"": path}, tmp_path / "d/masks", labels={"Tumour": 7}), tmp_path / "d")
    assert np.array_equal(read["a"], 7 * blob(1).astype(np.uint8))


def test_a_name_of_an_image_is_the_same_with_composed_and_decomposed_umlauts(tmp_path):
    picture(tmp_path / "d/images/Mu\u0308ller.png")
    picture(tmp_path / "d/images/b.png")
    path = table(tmp_path / "d", "id,rle", [("M\u00fcller", absolute(blob(1))), ("b", "")])
    listed, _ = drawn(masks_of({"": path}, tmp_path / "d/masks"), tmp_path / "d")
    assert {row["file"] for row in listed.values()} == {"images/Mu\u0308ller.png", "images/b.png"}


def test_that_pixels_are_taken_to_count_from_1_is_noted(tmp_path):
    picture(tmp_path / "d/images/a.png")
    path = table(tmp_path / "d", "id,rle", [("a", absolute(blob(1)))])
    assert any("--first 0" in note for note in masks_of({"": path}, tmp_path / "d/masks").notes)
    stated = masks_of({"": path}, tmp_path / "d/masks", counting=Counting(first=1))
    assert not any("--first 0" in note for note in stated.notes)


def test_names_of_categories_are_numbered_and_overlap_is_counted(tmp_path):
    picture(tmp_path / "d/images/a.png")
    rows = [("a", "Tumour", absolute(blob(1))), ("a", "Liver", absolute(np.ones((40, 60), bool)))]
    path = table(tmp_path / "d", "id,structure,rle", rows)
    written = masks_of({"": path}, tmp_path / "d/masks", labels="category")
    assert "labels: Liver 1, Tumour 2" in written.notes
    assert any("images have pixels of several categories (" in note for note in written.notes)
    written = masks_of({"": path}, tmp_path / "d/masks")
    assert any("2 categories (Liver, Tumour) are one label: --labels category" in note for note in written.notes)


def test_other_columns_go_along_where_the_rows_of_an_image_agree(tmp_path):
    for name in "ab":
        picture(tmp_path / f"d/images/{name}.png")
    rows = [("a", "P1", 1, absolute(blob(1))), ("a", "P1", 2, absolute(blob(2))), ("b", "P2", 1, "")]
    path = table(tmp_path / "d", "image,patient_id,object,rle", rows)
    listed, _ = drawn(masks_of({"": path}, tmp_path / "d/masks"), tmp_path / "d")
    assert [listed[name]["patient_id"] for name in "ab"] == ["P1", "P2"]
    assert listed["a"]["object"] == ""


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("a", "2390 20")], r"row 2, column 'rle': runs end at pixel 2409, and the picture of 60×40 has 2400"),
        ([("a", "5 3"), ("b", "5 3 6 9 2398 9")], r"row 3, column 'rle': "),
        ([("a", "5 3"), ("b", "5 3 6 x")], r"row 3, column 'rle': '5 3 6 x' is no list of starts and lengths"),
        ([("a", "5 3"), ("b", "5 3 6")], r"row 3, column 'rle': '5 3 6' is no list"),
        ([("a", "5 3"), ("a", "-1")], r"row 3, column 'rle': images/a\.png has no mask here and one in row 2"),
        ([("z", "5 3")], r"no column names images below .*images/a\.png.*'id': 'z'.*--images"),
    ],
)
def test_what_is_wrong_is_said_by_row(tmp_path, rows, words):
    for name in "ab":
        picture(tmp_path / f"d/images/{name}.png")
    path = table(tmp_path / "d", "id,rle", rows)
    with pytest.raises(CohortError, match=words):
        masks_of({"": path}, tmp_path / "d/masks")
    assert not (tmp_path / "d/masks").exists()


def test_runs_of_pictures_of_another_size_are_refused_by_the_size_that_the_row_states(tmp_path):
    picture(tmp_path / "d/images/a.png")
    path = table(tmp_path / "d", "id,img_height,img_width,rle", [("a", 80, 120, "5 3")])
    with pytest.raises(CohortError, match=r"row 2.*states a height of 80, and the picture's is 40"):
        masks_of({"": path}, tmp_path / "d/masks")


def test_one_wrong_row_of_absolute_starts_is_not_taken_for_relative_ones(tmp_path):
    for i in range(6):
        picture(tmp_path / f"d/images/i{i}.png")
    small = np.zeros((40, 60), bool)
    small[1:3, 1:4] = True
    rows: list[tuple[str, str]] = [(f"i{i}", absolute(small)) for i in range(5)]
    path = table(tmp_path / "d", "id,rle", [*rows, ("i5", "40 3 41 2 50 3")])
    with pytest.raises(CohortError, match=r"row 7.*runs overlap"):
        masks_of({"": path}, tmp_path / "d/masks")


def test_two_images_of_one_name_are_told_by_their_folders_or_asked_for(tmp_path):
    for folder in ("p1", "p2"):
        picture(tmp_path / f"d/{folder}/img.png")
    path = table(tmp_path / "d", "path,rle", [("C:\\scans\\P1\\IMG.PNG", absolute(blob(1))), ("p2/img", "")])
    listed, read = drawn(masks_of({"": path}, tmp_path / "d/masks"), tmp_path / "d")
    assert {row["file"] for row in listed.values()} == {"p1/img.png", "p2/img.png"}
    assert {row["file"]: bool(read[name].any()) for name, row in listed.items()}["p1/img.png"]
    path = table(tmp_path / "d", "path,rle", [("img", absolute(blob(1)))])
    with pytest.raises(CohortError, match=r"row 2.*'img' can be p1/img\.png or p2/img\.png: .*--images"):
        masks_of({"": path}, tmp_path / "d/masks")


def test_rows_of_an_image_in_a_folder_that_is_not_there_are_of_none(tmp_path):
    for folder in ("p1", "p2"):
        picture(tmp_path / f"d/{folder}/s1/img.png")
    rows = [("D:\\x\\p1\\s1\\img.png", absolute(blob(1))), ("D:\\x\\p9\\s1\\img.png", "5 3")]
    written = masks_of({"": table(tmp_path / "d", "path,rle", rows)}, tmp_path / "d/masks")
    assert [row["file"] for row in drawn(written, tmp_path / "d")[0].values()] == ["p1/s1/img.png"]
    assert any(note.startswith("1 names are of no image below") for note in written.notes)


def test_rows_of_several_readers_are_drawn_one_reader_at_a_time(tmp_path):
    picture(tmp_path / "d/images/a.png")
    path = table(tmp_path / "d", "id,annotator,rle", [("a", f"Dr {k}", absolute(blob(k))) for k in range(2)])
    with pytest.raises(
        CohortError, match=r"column 'annotator'.*several readers \(Dr 0, Dr 1\).*--rows 'annotator=Dr 0'"
    ):
        masks_of({"": path}, tmp_path / "d/masks")
    written = masks_of({"": path}, tmp_path / "d/masks", only="annotator=Dr 1")
    assert np.array_equal(drawn(written, tmp_path / "d")[1]["a"] > 0, blob(1))
    for only, words in (("annotator=Dr 7", "no row has 'Dr 7'; did you mean"), ("reader=1", "no COLUMN=VALUE")):
        with pytest.raises(CohortError, match=words):
            masks_of({"": path}, tmp_path / "d/masks", only=only)


def test_cells_that_excel_has_cut_are_refused(tmp_path):
    mask = np.random.default_rng(0).random((200, 180)) > 0.5
    for name in "ab":
        picture(tmp_path / f"d/images/{name}.png", mask.shape)
    text = absolute(mask)[:32_767]
    with pytest.raises(CohortError, match=r"row 2, column 'rle': it has 32,767 letters, at which Excel cuts"):
        masks_of({"": table(tmp_path / "d", "id,rle", [("a", text), ("b", "5 3")])}, tmp_path / "m")


def test_cells_of_megabytes_are_read(tmp_path):
    mask = np.random.default_rng(0).random((700, 600)) > 0.5
    picture(tmp_path / "d/images/a.png", (700, 600))
    text = absolute(mask)
    assert len(text) > 700_000
    _, read = drawn(masks_of({"": table(tmp_path / "d", "id,rle", [("a", text)])}, tmp_path / "m"), tmp_path)
    assert np.array_equal(read["a"] > 0, mask)


def sides_of(folder: Path, cells: dict[str, str], shape: tuple[int, int] = (40, 60)) -> dict[str, Path]:
    """A table of one image for each partition."""
    for side, cell in cells.items():
        picture(folder / f"{side}/{side}.png", shape)
        table(folder / side, "id,rle", [(side, cell)])
    return {side: folder / side / "train.csv" for side in cells}


def test_what_the_runs_of_one_partition_show_holds_for_the_others(tmp_path):
    """Two runs show neither order nor first pixel."""
    large, few = blob(1), np.zeros((40, 60), bool)
    large[0, :5], few[10:12, 10:30] = True, True
    sides = sides_of(tmp_path / "d", {"train": absolute(large, "rows", 0), "test": absolute(few, "rows", 0)})
    written = masks_of(sides, tmp_path / "d/masks")
    _, read = drawn(written, tmp_path / "d")
    assert np.array_equal(read["train_train"] > 0, large)
    assert np.array_equal(read["test_test"] > 0, few)
    assert any(note.startswith("test: what is not stated is counted as") for note in written.notes)


def test_partitions_that_are_counted_in_two_ways_are_named(tmp_path):
    sides = sides_of(tmp_path / "d", {"train": absolute(blob(1), "rows"), "test": absolute(blob(2))})
    with pytest.raises(CohortError, match=r"order: train shows rows and test shows columns: state --order"):
        masks_of(sides, tmp_path / "d/masks")
    assert not (tmp_path / "d/masks").exists()
    masks_of(sides, tmp_path / "d/masks", counting=Counting(order="rows"))


def test_long_cells_beside_the_run_lengths_are_not_searched_for_names(tmp_path, monkeypatch):
    """Each search takes the length of the cell, and there would be one for each blank."""
    picture(tmp_path / "d/images/a.png")
    path = table(tmp_path / "d", "id,rle,other", [("z", long := absolute(np.eye(80, dtype=bool)), long)])
    searched: list[str] = []
    monkeypatch.setattr(Images, "find", lambda images, name, near=None: searched.append(name) or [])
    with pytest.raises(CohortError, match="no column names images"):
        masks_of({"": path}, tmp_path / "d/masks")
    assert set(searched) == {"z", long}


def test_masks_are_not_written_among_the_images(tmp_path):
    picture(tmp_path / "d/images/a.png")
    path = table(tmp_path / "d", "id,rle", [("a", "5 3")])
    with pytest.raises(CohortError, match="lies within the data folder"):
        masks_of({"": path}, tmp_path / "d/images/masks")


def test_the_table_loads_with_masks_of_partitions(tmp_path):
    for side in ("train", "test"):
        for i in range(4):
            picture(tmp_path / f"d/{side}/{side[:2]}{i}.png")
        table(tmp_path / "d" / side, "id,rle", [(f"{side[:2]}{i}", absolute(blob(i))) for i in range(4)])
    sides = {side: tmp_path / "d" / side / "train.csv" for side in ("train", "test")}
    written = masks_of(sides, tmp_path / "d/masks")
    config = DatasetConfig(
        root=str(tmp_path / "d"), watch=str(tmp_path / "d"), table="masks/cohort.csv", files="{file}", masks="{mask}",
        sample="{sample_id}", split={"method": "predefined", "columns": "split"},
    )  # fmt: skip
    records = cohort.load(config, tmp_path)
    assert [record.split for record in records].count("train") == 4
    assert all(len(record.masks) == 1 for record in records)
    assert len(csv.DictReader(written.table.open()).fieldnames or ()) == 7


@pytest.mark.parametrize(
    ("columns", "cells", "column"),
    [
        (["id", " EncodedPixels"], [["a", "1 2"], ["b", "-1"]], " EncodedPixels"),
        (["id", "bbox"], [["a", "10 20 30 40"], ["b", "1 2 3 4"]], ""),
        (["id", "pixels"], [["a", "70 80 82 72 58 58 60 63 54"], ["b", "1 2 3"]], ""),
        (["id", "x"], [["a", "1 2 3 4 9 9 20 1"], ["b", "1 2"], ["c", "1 2 5 4"]], "x"),
        (["id", "annotation"], [["a", "a mass"], ["b", "none"]], ""),
        (["id", "segmentation"], [["a", "seg/a.nii.gz"], ["b", ""]], ""),
        (["id", "rle"], [["a", "-1"], ["b", ""]], ""),
    ],
)
def test_the_column_is_known_by_its_name_and_its_cells(columns, cells, column):
    assert column_of(columns, [dict(zip(columns, row, strict=True)) for row in cells]) == column


@pytest.mark.parametrize("cell", ["1", "1 2 3", "1.5 2", "-1 2", "x", "", "9" * 400 + " 1"])
def test_other_texts_are_no_run_lengths(cell):
    assert numbers_of(cell) is None


def test_masks_of_a_picture_that_exif_turns_are_drawn_on_its_pixels_as_stored(tmp_path):
    stored, tags = blob(1), Image.Exif()
    tags[0x0112] = 6
    picture(tmp_path / "d/images/b.png")
    Image.open(tmp_path / "d/images/b.png").save(tmp_path / "d/images/a.png", exif=tags)
    path = table(tmp_path / "d", "id,rle", [("a", absolute(stored)), ("b", absolute(blob(2)))])
    _, read = drawn(masks_of({"": path}, tmp_path / "d/masks"), tmp_path / "d")
    assert io.read_extent(tmp_path / "d/images/a.png").shape == (60, 40)
    np.testing.assert_array_equal(read["a"] > 0, stored)
