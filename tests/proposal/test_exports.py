"""Exports of annotation tools and registries: whose row is of which file and subject, and what is told of the rest."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from scantune import cohort, io
from scantune.cli import app
from scantune.config.load import parse
from scantune.proposal.blocks import Proposed, propose
from scantune.records import Record
from tests.preprocess.direct import prepare_image
from tests.proposal.test_layouts import picture, table

N = 24
CVAT = (
    '<annotations><version>1.1</version><image id="0" name="000.png" width="16" height="16">'
    '<box label="a" xtl="1" ytl="1" xbr="5" ybr="5"/></image></annotations>'
)
VOC = "<annotation><object><name>a</name><bndbox><xmin>1</xmin></bndbox></object></annotation>"
SUPERVISELY = {"tags": [], "size": {"height": 16, "width": 16}, "objects": []}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(proposed: Proposed):
    """The one data set's block and its records by the stem of their file."""
    for path, source in proposed.tables.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source.written())
    (dataset,) = parse({"experiments": {}, **proposed.blocks}).datasets.values()
    return dataset, {record.files[0].stem: record for record in cohort.load(dataset, Path())}


def below(record: Record) -> str:
    """The path of its file below the root."""
    return record.files[0].relative_to(Path("raw").resolve()).as_posix()


@pytest.mark.parametrize(
    "path", ["/data/upload/1/ab12cd{i:02x}-{i:03d}.png", "/data/local-files/?d={i:03d}.png", "s3://films/a/{i:03d}.png"]
)
def test_rows_go_by_the_names_of_files_and_not_by_a_running_number_that_files_have_too(home, path):
    order = np.random.default_rng(1).permutation(N)
    for i in range(N):
        picture(f"images/{i:03d}.png", i)
    rows = [(n, f"2024-01-0{1 + n % 9}T10:00:00Z", ("well", "ill")[int(i % 3 > 0)], path.format(i=i), 900 + n)
            for n, i in enumerate(order)]  # fmt: skip
    table("project-1.csv", "annotation_id,created_at,choice,image,id", rows)
    _, records = read(propose(Path("raw")))
    assert {name: record.targets["choice"] for name, record in records.items()} == {
        f"{i:03d}": ("well", "ill")[i % 3 > 0] for i in range(N)
    }


def test_names_of_files_that_are_not_there_beside_numbers_that_are_told(home):
    for i in range(N):
        picture(f"images/{i:03d}.png", i)
    table("a.csv", "no,image,grade", [(i, f"x{i * 7919}.png", i % 2) for i in range(N)])
    assert any("'image' names files, of which 0 are there" in note for note in propose(Path("raw")).notes)


@pytest.mark.parametrize(
    ("place", "cell"), [("{side}/{side}{i:03d}.png", "{side}{i:03d}.png"), ("{side}/{i:03d}.png", "{i:03d}.png"),
                        ("{side}/images/a{i:03d}.png", "a{i:03d}")],
)  # fmt: skip
def test_tables_of_one_name_in_folders_of_partitions_are_one(home, place, cell):
    labels = {}
    for seed, side in enumerate(("train", "valid", "test")):
        for i in range(N):
            picture(place.format(side=side, i=i), 100 * seed + i)
            labels[f"raw/{place.format(side=side, i=i)}"] = ("well", "ill")[(i + seed) % 3 > 0]
        rows = [(cell.format(side=side, i=i), ("well", "ill")[(i + seed) % 3 > 0]) for i in range(N)]
        table(f"{side}/_classes.csv", "filename,diagnosis", rows)
    dataset, _ = read(propose(Path("raw")))
    records = cohort.load(dataset, Path())
    assert {f"raw/{below(record)}": record.targets["diagnosis"] for record in records} == labels
    for record in records:
        side = below(record).partition("/")[0]
        assert record.split == {"valid": "validation"}.get(side, side)


def test_tables_of_one_name_in_other_folders_have_their_own_files_and_a_block_each(home):
    for side in ("munich", "paris"):
        for i in range(N):
            picture(f"{side}/{i:03d}.png", i + len(side) * 100)
        table(f"{side}/labels.csv", "filename,diagnosis", [(f"{i:03d}.png", i % 2) for i in range(N)])
    proposed = propose(Path("raw"))
    assert sorted(proposed.blocks["datasets"]) == ["munich_labels", "paris_labels"]
    for path, source in proposed.tables.items():
        assert {file.partition("/")[0] for file in source.files} == {path.stem.partition("_")[0]}
        assert len(source.files) == N


@pytest.mark.parametrize(
    "head", ["record_id,redcap_repeat_instrument,redcap_repeat_instance", "Study ID,Repeat Instrument,Repeat Instance",
             "Record ID,Event Name,Run"],
)  # fmt: skip
def test_records_of_redcap_are_subjects(home, head):
    rows: list[tuple[object, ...]] = []
    for p in range(12):
        rows += [(f"{p + 1:04d}", "film", k, ("well", "ill")[p % 2], f"{p + 1:04d}_{k}.png") for k in (1, 2)]
        for k in (1, 2):
            picture(f"films/{p + 1:04d}_{k}.png", 2 * p + k)
    table("data.csv", f"{head},diagnosis,film_file", rows)
    dataset, records = read(propose(Path("raw")))
    assert dataset.subject == head.partition(",")[0]
    assert len({record.subject_id for record in records.values()}) == 12


def mask(path: str, *values: int) -> None:
    """A mask of 16 × 16 pixels with a band of each value."""
    Path("raw", path).parent.mkdir(parents=True, exist_ok=True)
    array = np.zeros((16, 16), np.uint8)
    for place, value in enumerate(values):
        array[3 * place : 3 * place + 3, 2:9] = value
    io.write_png(Path("raw", path), array)


@pytest.mark.parametrize(
    ("values", "keys", "classes"),
    [
        (lambda i: (1, 2, 255) if i % 3 else (1, 255), {255: "ignore"}, ["background", "label_1", "label_2"]),
        (lambda i: (1, 255), {255: "ignore"}, ["background", "foreground"]),
        (lambda i: (1,) if i % 3 else (255,), {255: 1}, ["background", "foreground"]),
        (lambda i: (128, 255), {128: 1, 255: 2}, ["background", "label_1", "label_2"]),
        (lambda i: (255,), {}, ["background", "foreground"]),
    ],
)
def test_white_in_masks_beside_labels_is_no_class(home, values, keys, classes):
    for i in range(N):
        picture(f"JPEGImages/{i:03d}.png", i)
        mask(f"SegmentationClass/{i:03d}.png", *values(i))
    proposed = propose(Path("raw"))
    assert proposed.blocks["inputs"]["raw"].get("mask_values", {}) == keys
    assert proposed.blocks["experiments"]["raw"]["task"]["classes"] == classes
    assert any("255" in note for note in proposed.notes) == (keys in ({255: "ignore"}, {255: 1}))


def test_masks_that_number_objects_are_no_readers(home):
    for i in range(N):
        picture(f"JPEGImages/{i:03d}.png", i)
        mask(f"SegmentationClass/{i:03d}.png", 1, 1, 2)
        mask(f"SegmentationObject/{i:03d}.png", 1, 2, 3)
    proposed = propose(Path("raw"))
    assert "rater_masks" not in proposed.blocks["datasets"]["raw"]
    assert proposed.blocks["experiments"]["raw"]["task"]["classes"] == ["background", "label_1", "label_2"]
    assert any("SegmentationObject" in note and "not used" in note for note in proposed.notes)


_LABELMAP = """# label:color_rgb:parts:actions
background:0,0,0::
vessel, main:128,0,0::
catheter:0,128,0::
never drawn:0,0,128::
"""


@pytest.mark.parametrize(
    ("labelmap", "keys", "classes"),
    [
        (
            _LABELMAP,
            {"#800000": 1, "#008000": 2, "#000080": 3},
            ["background", "vessel, main", "catheter", "never drawn"],
        ),
        ("", {"#008000": 1, "#800000": 2}, ["background", "label_1", "label_2"]),
        ("cat:1,2,3::\n", {"#008000": 1, "#800000": 2}, ["background", "label_1", "label_2"]),
        (
            "ground:0,128,0::\nbackground:128,0,0::\n",
            {"#800000": 0, "#008000": 1},
            ["background", "ground"],
        ),
    ],
)
def test_colours_of_masks_are_classes_by_their_labelmap(home, labelmap, keys, classes):
    for i in range(N):
        picture(f"JPEGImages/{i:03d}.png", i)
        colours = np.zeros((16, 16, 3), np.uint8)
        colours[2:8, 2:8], colours[9:12, 1 + i % 9 : 6 + i % 9] = (128, 0, 0), (0, 128, 0)
        path = Path("raw", "SegmentationClass", f"{i:03d}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        io.write_png(path, colours)
    if labelmap:
        Path("raw", "labelmap.txt").write_text(labelmap)
    proposed = propose(Path("raw"))
    block = proposed.blocks["inputs"]["raw"]
    assert block["mask_values"] == keys
    assert proposed.blocks["experiments"]["raw"]["task"]["classes"] == classes
    _, records = read(proposed)
    record = next(iter(records.values()))
    mask = prepare_image(record.files, record.masks, mask_values=block["mask_values"]).mask
    assert sorted(np.unique(mask)) == sorted({0, *(keys[name] for name in ("#800000", "#008000"))})


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("annotations.xml", CVAT, "1 files? ha(s|ve) outlines of CVAT.*scantune convert masks raw/annotations.xml"),
        ("boxes/{i:03d}.xml", VOC, "annotations that are not read are Pascal VOC"),
        ("ann/{i:03d}.png.json", json.dumps(SUPERVISELY), "annotations that are not read are of Supervisely"),
        ("labels/{i:03d}.txt", "0 0.1 0.2 0.3 0.2 0.3 0.4\n", "annotations that are not read are labels of YOLO"),
        ("contours/IM-{i:04d}.txt", "10.5 12.0\n11 12\n11 14\n", "not read are outlines as text"),
        (
            "kits.json",
            json.dumps([{"case_id": "a", "age": 5}]),
            r"not read are 1 records \(case_id, age\): save them as CSV",
        ),
        ("p{i:03d}/Info.cfg", "ED: 1\nGroup: DCM\n", r"p000/Info.cfg, p001/Info.cfg\) are values by key \(ED, Group\)"),
    ],
)
def test_annotations_beside_images_are_told(home, name, text, words):
    for i in range(N):
        picture(f"images/{i:03d}.png", i)
        path = Path("raw", name.format(i=i))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert any(re.search(words, note) for note in propose(Path("raw")).notes)


def test_a_list_of_numbers_and_classes_is_no_outline(home):
    for i in range(N):
        picture(f"{i}.png", i)
    Path("raw/labels.txt").write_text("".join(f"{i} {i % 2}\n" for i in range(N)))
    assert not any("outlines as text" in note for note in propose(Path("raw")).notes)


def test_files_that_systems_put_into_folders_are_no_values(home):
    for i in range(N):
        picture(f"p{i:03d}/a.png", i)
        Path(f"raw/p{i:03d}/desktop.ini").write_text("[.ShellClassInfo]\nIconFile=C:\\x.exe\nIconIndex=16\n")
    assert not any("desktop.ini" in note for note in propose(Path("raw")).notes)


@pytest.mark.parametrize("form", ["coco", "cvat"])
def test_classes_of_converted_masks_have_the_names_of_the_categories(home, form):
    boxes = {"cyst": (1, 1, 5, 5), "tumour": (8, 8, 14, 14)}
    images, shapes = [], []
    for i in range(N):
        picture(f"images/{i:03d}.png", i)
        images.append({"id": i, "file_name": f"{i:03d}.png", "width": 16, "height": 16})
        for key, (name, (x, y, u, v)) in enumerate(boxes.items(), 3):
            corners = [x, y, u, y, u, v, x, v]
            shapes.append({"image_id": i, "category_id": key, "segmentation": [corners], "name": name})
    categories = [{"id": 3, "name": "cyst"}, {"id": 4, "name": "tumour"}, {"id": 9, "name": "other"}]
    path = Path("raw/annotations/a.json" if form == "coco" else "raw/annotations.xml")
    path.parent.mkdir(exist_ok=True)
    if form == "coco":
        path.write_text(json.dumps({"images": images, "annotations": shapes, "categories": categories}))
    else:
        texts = [
            f'<image name="{image["file_name"]}" width="16" height="16">'
            + "".join(
                f'<box label="{name}" xtl="{x}" ytl="{y}" xbr="{u}" ybr="{v}"/>' for name, (x, y, u, v) in boxes.items()
            )
            + "</image>"
            for image in images
        ]
        path.write_text(f"<annotations>{''.join(texts)}</annotations>")
    command = [
        "convert",
        "masks",
        str(path),
        "--images",
        "../images" if form == "coco" else "images",
        "--out",
        "raw/m",
        "--labels",
        "category",
    ]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    proposed = propose(Path("raw/m/cohort.csv"), Path("raw"))
    (experiment,) = proposed.blocks["experiments"].values()
    assert experiment["task"]["classes"] == ["background", "cyst", "tumour"]
    (block,) = proposed.blocks["inputs"].values()
    assert block.get("mask_values", {}) == ({3: 1, 4: 2} if form == "coco" else {})


def test_names_of_pixel_values_are_those_of_classes(home):
    for i in range(N):
        picture(f"train/{i:03d}_png.rf.{i * 7919:05x}.png", i)
        mask(f"train/{i:03d}_png.rf.{i * 7919:05x}_mask.png", 1, 2)
    Path("raw/train/_classes.csv").write_text("Pixel Value, Class\n0, background\n1, cyst\n2, tumour\n")
    assert propose(Path("raw")).blocks["experiments"]["raw"]["task"]["classes"] == ["background", "cyst", "tumour"]


def test_tables_that_are_not_read_are_told(home):
    for s in range(1, 13):
        for ses in (1, 2):
            picture(f"sub-{s:02d}/ses-{ses}/anat/sub-{s:02d}_ses-{ses}_T1w.png", 2 * s + ses)
        table(f"sub-{s:02d}/sub-{s:02d}_sessions.tsv", "session_id,pain", [("ses-1", s), ("ses-2", s + 1)], "\t")
    table("participants.tsv", "participant_id,diagnosis", [(f"sub-{s:02d}", s % 2) for s in range(1, 13)], "\t")
    (note,) = [note for note in propose(Path("raw")).notes if "12 tables in folders below not used" in note]
    assert "sub-01/sub-01_sessions.tsv" in note
    assert "participant_id and session_id" in note


def test_too_many_tables_are_told(home):
    for i in range(N):
        picture(f"images/{i:03d}.png", i)
        table(f"t{i:02d}.csv", "file,score", [(f"{i:03d}.png", i)])
    assert any("24 tables (t00.csv, t01.csv, …) are more than 20" in note for note in propose(Path("raw")).notes)


def test_codes_are_told_by_the_data_dictionary_of_redcap(home):
    for i in range(N):
        picture(f"images/{i:03d}.png", i)
    table("DATA.csv", "record_id,image,severity", [(i, f"images/{i:03d}.png", 1 + i % 4) for i in range(N)])
    lines = [
        'Variable / Field Name,Form Name,Section Header,Field Type,Field Label,"Choices, Calculations, OR Slider"',
        "record_id,base,,text,Record,",
        'severity,read,,radio,Severity,"1, Normal | 2, Mild | 4, Not readable"',
    ]
    Path("raw", "A_DataDictionary.csv").write_text("\n".join(lines))
    told = [note for note in propose(Path("raw")).notes if "codes of 'severity' by A_DataDictionary.csv" in note]
    assert len(told) == 1
    assert "1, Normal | 2, Mild | 4, Not readable. Name them in its target" in told[0]
