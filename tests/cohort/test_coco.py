import csv
import json

import numpy as np
import pytest
from PIL import Image

from scantune import cohort, demos, io
from scantune.cohort.coco import masks_of_coco
from scantune.cohort.coco_masks import draw
from scantune.config.dataset import DatasetConfig

NAMES = {"train": "train", "validation": "val", "test": "test"}


def annotation(key, image, category, polygon):
    return {"id": key, "image_id": image, "category_id": category, "segmentation": [polygon], "area": 1, "bbox": []}


@pytest.fixture
def content():
    return {
        "images": [
            {"id": 7, "file_name": "2.png", "width": 20, "height": 10},
            {"id": 9, "file_name": "1.png", "width": 20, "height": 10},
        ],
        "categories": [{"id": 6, "name": "5"}, {"id": 26, "name": "stenosis"}],
        "annotations": [
            annotation(1, 7, 6, [2, 3, 12, 3, 12, 6, 2, 6]),
            annotation(2, 7, 26, [10, 5, 14, 5, 14, 8, 10, 8]),
        ],
    }


@pytest.fixture
def written(tmp_path, content):
    def write():
        folder = tmp_path / "data" / "annotations"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "train.json").write_text(json.dumps(content))
        (tmp_path / "data" / "images").mkdir(exist_ok=True)
        for name in ("1.png", "2.png"):
            Image.new("L", (20, 10), 7).save(tmp_path / "data" / "images" / name)
        return folder / "train.json"

    return write


def read(table, root):
    rows = list(csv.DictReader(table.open()))
    return rows, {row["sample_id"]: np.asarray(Image.open(root / row["mask"])) for row in rows}


def test_the_later_annotation_wins():
    mask = draw([(1, [[2, 3, 12, 3, 12, 6, 2, 6]]), (2, [[10, 5, 14, 5, 14, 8, 10, 8]])], (10, 20))
    expected = np.zeros((10, 20), np.uint8)
    expected[3:6, 2:12] = 1
    expected[5:8, 10:14] = 2
    assert np.array_equal(mask, expected)


@pytest.mark.parametrize(
    ("labels", "warned"),
    [("category", True), ({"5": 1, "stenosis": 2}, True), ({"stenosis": 2}, False), ("binary", False)],
)
def test_a_label_beneath_another_is_told_by_image_and_pixels(tmp_path, written, caplog, labels, warned):
    masks_of_coco(written(), tmp_path / "out", labels=labels)
    assert bool(caplog.messages) == warned
    for message in caplog.messages:
        assert message.startswith("1 of 2 images have pixels of several categories (2.png: 2), which have the label of")


def test_annotations_of_several_categories_beside_each_other_are_no_reason_to_warn(tmp_path, content, written, caplog):
    content["annotations"][1]["segmentation"] = [[14, 7, 18, 7, 18, 9, 14, 9]]
    masks_of_coco(written(), tmp_path / "out", labels="category")
    assert not caplog.messages


def test_binary_masks_and_a_row_for_each_image(tmp_path, written):
    rows, masks = read(masks_of_coco({"train": written()}, tmp_path / "out"), tmp_path)
    assert [row["file"] for row in rows] == ["data/images/1.png", "data/images/2.png"]
    assert [row["mask"] for row in rows] == ["out/masks/train_1.png", "out/masks/train_2.png"]
    assert [row["categories"] for row in rows] == ["", "5 stenosis"]
    assert {row["split"] for row in rows} == {"train"}
    assert not masks["train_1"].any()
    assert set(np.unique(masks["train_2"])) == {0, 255}
    assert (masks["train_2"] > 0).sum() == 3 * 10 + 3 * 4 - 1 * 2


def test_labels_by_category_and_by_choice(tmp_path, written):
    _, masks = read(masks_of_coco(written(), tmp_path / "all", labels="category"), tmp_path)
    assert set(np.unique(masks["2"])) == {0, 6, 26}
    rows, masks = read(masks_of_coco(written(), tmp_path / "one", labels={"stenosis": 3}), tmp_path)
    assert set(np.unique(masks["2"])) == {0, 3}
    assert [row["categories"] for row in rows] == ["", "stenosis"]


def test_nothing_is_written_into_the_data(tmp_path, written):
    source = written()
    for inside in (source.parent / "masks", tmp_path / "data" / "images", tmp_path / "data" / "images" / "masks"):
        with pytest.raises(cohort.CohortError, match="within the data folder"):
            masks_of_coco(source, inside)


def test_all_faults_are_named_at_once(tmp_path, written, content):
    content["annotations"] += [
        annotation(3, 1, 6, [0, 0, 1, 1, 2, 2]),
        annotation(4, 7, 5, [0, 0, 1, 1, 2, 2]),
        annotation(5, 7, 6, [0, 0, 1, 1, 2]),
        {"image_id": 7, "category_id": 6, "segmentation": {"counts": [3, 2], "size": [1, 5]}},
    ]
    content["images"].append({"id": 11, "file_name": "../3.png", "width": 20, "height": 10})
    with pytest.raises(cohort.CohortError) as caught:
        masks_of_coco(written(), tmp_path / "out")
    text = str(caught.value)
    for part in (
        "leaves the data folder",
        "no image has the id 1",
        "no category has the id 5",
        "5 values",
        "run lengths of 5 pixels for an image of 200",
    ):
        assert part in text
    assert not (tmp_path / "out").exists()


def test_pictures_that_are_missing_are_named(tmp_path, written):
    source = written()
    (tmp_path / "data" / "images" / "2.png").unlink()
    with pytest.raises(cohort.CohortError, match=r"'2\.png' is not in the folder"):
        masks_of_coco(source, tmp_path / "out")


def test_what_is_no_coco_is_refused(tmp_path, written, content):
    with pytest.raises(cohort.CohortError, match=r"no category 'stenoses'.*'stenosis'"):
        masks_of_coco(written(), tmp_path / "out", labels={"stenoses": 1})
    del content["categories"]
    with pytest.raises(cohort.CohortError, match="'categories' is missing"):
        masks_of_coco(written(), tmp_path / "out")
    (tmp_path / "data" / "annotations" / "broken.json").write_text("{")
    with pytest.raises(cohort.CohortError, match="not JSON"):
        masks_of_coco(tmp_path / "data" / "annotations" / "broken.json", tmp_path / "out")


def test_masks_of_the_demo_cohort_come_back_from_its_polygons(tmp_path):
    demos.make("angio", tmp_path / "arcade", n=6, edge=96, layout="arcade", seed=3, workers=1)
    demos.make("angio", tmp_path / "plain", n=6, edge=96, seed=3, unusable=False, workers=1)
    folder = tmp_path / "arcade" / "syntax"
    sides = {side: folder / name / "annotations" / f"{name}.json" for side, name in NAMES.items()}
    rows, masks = read(masks_of_coco(sides, tmp_path / "masks"), tmp_path)
    made = {path.stem: path for path in (tmp_path / "plain" / "images").glob("*.dcm")}
    frames = {stem: io.read(path).array[0] for stem, path in made.items()}
    seen = drawn = both = 0
    for row in rows:
        picture, mask = np.asarray(Image.open(tmp_path / row["file"])), masks[row["sample_id"]] > 0
        (stem,) = (stem for stem, frame in frames.items() if np.array_equal(frame, picture))
        whole = np.asarray(Image.open(tmp_path / "plain" / "masks" / f"{stem}.png")) > 0
        seen, drawn, both = seen + whole.sum(), drawn + mask.sum(), both + (mask & whole).sum()
    assert both > 0.95 * drawn
    assert both > 0.7 * seen  # twigs without a segment have no polygon


def test_block_of_a_converted_cohort_loads(tmp_path):
    demos.make("angio", tmp_path / "arcade", n=12, edge=64, layout="arcade", workers=1)
    folder = tmp_path / "arcade" / "syntax"
    sides = {side: folder / name / "annotations" / f"{name}.json" for side, name in NAMES.items()}
    table = masks_of_coco(sides, tmp_path / "masks")
    block = DatasetConfig(
        root=str(tmp_path),
        table=table.relative_to(tmp_path).as_posix(),
        sample="{sample_id}",
        files="{file}",
        masks="{mask}",
        split={"method": "predefined", "columns": "split"},
    )
    records = cohort.load(block, tmp_path)
    assert len(records) == len(list(folder.rglob("*.png")))
    assert all(path.is_file() for record in records for path in (*record.files, *record.masks))


def test_run_lengths_of_another_size_and_outlines_beside_the_picture_are_named(tmp_path, written, content):
    turned = annotation(3, 7, 6, [])
    turned["segmentation"] = {"size": [20, 10], "counts": [50, 10, 140]}  # as many pixels, the other way round
    content["annotations"] += [turned, annotation(4, 9, 6, [100, 100, 120, 100, 120, 110, 100, 110])]
    with pytest.raises(cohort.CohortError) as caught:
        masks_of_coco(written(), tmp_path / "out")
    texts = [str(fault) for fault in caught.value.faults]
    assert any("annotations[2]" in text and "[20, 10] pixels (height, width)" in text for text in texts), texts
    assert any("annotations[3]" in text and "outside of the picture of 20×10" in text for text in texts), texts
    turned["segmentation"]["size"] = [10, 20]
    content["annotations"].pop()
    masks_of_coco(written(), tmp_path / "out")


def test_fractions_of_the_picture_are_no_pixels(tmp_path, written, content):
    content["annotations"] = [annotation(1, 7, 6, [0.1, 0.1, 0.9, 0.1, 0.9, 0.8])]
    with pytest.raises(cohort.CohortError, match="fractions of the picture"):
        masks_of_coco(written(), tmp_path / "out")


def test_two_categories_of_one_name_are_both_drawn(tmp_path, written, content):
    """Exports of some annotation services have a category of the name of its group too."""
    content["categories"].append({"id": 30, "name": "stenosis"})
    content["annotations"].append(annotation(3, 9, 30, [2, 3, 12, 3, 12, 6, 2, 6]))
    _, masks = read(masks_of_coco(written(), tmp_path / "out", labels={"stenosis": 1}), tmp_path)
    assert masks["1"].any()
    assert masks["2"].any()
    content["categories"].append({"id": 30, "name": "another"})
    with pytest.raises(cohort.CohortError, match="two categories have one id"):
        masks_of_coco(written(), tmp_path / "out")


@pytest.mark.parametrize("names", [("a/b.png", "a_b.png"), ("a.png", "A.png")])
def test_two_images_that_would_share_a_mask_are_named(tmp_path, written, content, names):
    for image, name in zip(content["images"], names, strict=True):
        image["file_name"] = name
    with pytest.raises(cohort.CohortError, match="would share a mask"):
        masks_of_coco(written(), tmp_path / "out")


@pytest.mark.parametrize("nothing", [[], None, "absent"])
def test_an_image_with_an_object_of_a_box_alone_gets_no_mask_without_it(tmp_path, written, content, caplog, nothing):
    box = {"image_id": 7, "category_id": 6, "bbox": [1, 1, 5, 5], "segmentation": nothing}
    if nothing == "absent":
        del box["segmentation"]
    content["annotations"].append(box)
    rows, _ = read(masks_of_coco(written(), tmp_path / "out"), tmp_path)
    assert [row["sample_id"] for row in rows] == ["1"]
    assert "1 of 2 images have objects with a box and no outline (2.png)" in caplog.text
    rows, _ = read(masks_of_coco(written(), tmp_path / "one", labels={"stenosis": 1}), tmp_path)
    assert [row["sample_id"] for row in rows] == ["1", "2"]
    content["annotations"].append({**box, "image_id": 9})
    with pytest.raises(cohort.CohortError, match=r"2 of 2 images(.|\n)*nothing can be drawn"):
        masks_of_coco(written(), tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("points", [[], [1, 1], [1, 1, 5, 5]])
def test_an_annotation_of_fewer_than_three_points_is_left_out_by_its_id(tmp_path, written, content, caplog, points):
    rows, before = read(masks_of_coco(written(), tmp_path / "out"), tmp_path)
    assert not caplog.messages
    content["annotations"].append(annotation(33, 9, 6, points))
    content["annotations"][0]["segmentation"].append(points)  # of an object that has an outline too
    again, masks = read(masks_of_coco(written(), tmp_path / "again"), tmp_path)
    assert [row["categories"] for row in again] == [row["categories"] for row in rows]
    assert all(np.array_equal(masks[name], before[name]) for name in before)
    assert caplog.messages == [
        "left out, since fewer than three points have no area: 1 annotation of train.json (id 33)"
    ]


@pytest.mark.parametrize(("size", "why"), [((40, 20), "another size"), ((10, 20), "EXIF")])
def test_pictures_of_another_size_than_stated_are_named(tmp_path, written, content, size, why):
    content["images"][0]["width"], content["images"][0]["height"] = size
    with pytest.raises(cohort.CohortError, match=rf"'2\.png': drawn on {size[0]}×{size[1]} pixels(.|\n)*{why}"):
        masks_of_coco(written(), tmp_path / "out")


@pytest.mark.parametrize(
    "name",
    ["C:\\scans\\{}.png", "/data/upload/1/ab12cd34-{}.png", "..\\..\\label-studio\\upload\\{}.png", "a/b/{}.PNG"],
)
def test_names_of_another_machine_lead_to_the_pictures(tmp_path, written, content, name):
    plain, expected = read(masks_of_coco(written(), tmp_path / "plain"), tmp_path)
    for image, number in zip(content["images"], (2, 1), strict=True):
        image["file_name"] = name.format(number)
    rows, masks = read(masks_of_coco(written(), tmp_path / "out"), tmp_path)
    assert [row["file"] for row in rows] == [row["file"] for row in plain]
    assert all(np.array_equal(masks[key], expected[key]) for key in expected)


def test_ids_from_0_are_labels_by_name_and_an_unused_0_is_no_label(tmp_path, written, content):
    content["categories"].append({"id": 0, "name": "all"})
    masks_of_coco(written(), tmp_path / "out", labels="category")
    content["annotations"].append(annotation(3, 9, 0, [2, 3, 12, 3, 12, 6, 2, 6]))
    with pytest.raises(cohort.CohortError, match=r"\[0\] cannot be labels.*--labels 5=1,stenosis=2,all=3"):
        masks_of_coco(written(), tmp_path / "again", labels="category")


def test_it_is_told_which_label_a_category_has_and_how_many_masks_are_empty(tmp_path, written):
    told = []
    masks_of_coco(written(), tmp_path / "out", say=told.append)
    assert told == [
        "2 images: 1 with something marked, 1 with nothing",
        "2 categories (5, stenosis) are one label: --labels category keeps them apart",
    ]
    masks_of_coco(written(), tmp_path / "all", labels="category", say=told.append)
    assert told[-1] == "labels: 5 6, stenosis 26"
