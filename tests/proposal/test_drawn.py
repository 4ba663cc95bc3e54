"""Annotations that are no masks yet: what they say of an image as its labels, and the command for masks as it works."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from scantune.cli import app
from scantune.proposal.blocks import propose
from scantune.records import ScantuneError
from tests.cohort.test_run_lengths import absolute, apart, blob, relative
from tests.proposal.test_widening import home as home
from tests.proposal.test_widening import read, table

NONE = np.zeros((40, 60), bool)


def converted(words: str) -> dict[str, np.ndarray]:
    """Masks that the command in a note or an error writes, by name."""
    command, _ = run(words)
    out = Path(command[command.index("--out") + 1])
    return {path.stem: np.asarray(Image.open(path)) for path in out.glob("masks/*.png")}


def run(words: str) -> tuple[list[str], str]:
    """The first command in a note or an error, and what it prints."""
    command = shlex.split(next(w for w in words.splitlines() if "scantune convert" in w).partition(": scantune ")[2])
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return command, result.output


def films(n: int, folder: str = "images") -> list[str]:
    names = [f"f{i * 7919:07x}" for i in range(n)]
    for seed, name in enumerate(names, start=sum(map(ord, folder))):
        Path("raw", folder).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 255, (40, 60), np.uint8)
        Image.fromarray(pixels).save(f"raw/{folder}/{name}.png")
    return names


@pytest.mark.parametrize("encode", [absolute, relative])
def test_a_mask_or_none_in_each_row(home, encode):
    names = films(24)
    shapes = [blob(i) if i % 2 else NONE for i in range(24)]
    rows = [(name, encode(mask) if mask.any() else "-1") for name, mask in zip(names, shapes, strict=True)]
    table("train-rle.csv", "ImageId, EncodedPixels", rows[:-2])
    proposed = propose(Path("raw"))
    experiment, records = read(proposed)
    assert experiment.task.target == "label"
    assert [records[name].targets["label"] for name in names[:4]] == ["0", "1", "0", "1"]
    masks = converted("\n".join(proposed.notes))
    assert set(masks) == set(names[:-2])
    assert all(np.array_equal(masks[n] > 0, mask) for n, mask in zip(names[:-2], shapes, strict=False))


@pytest.mark.parametrize("head", ["Image_Label,EncodedPixels", "ImageId,class,EncodedPixels"])
def test_a_class_is_present_where_its_row_has_a_mask(home, head):
    names, (one, other) = films(24), apart()
    present = [{"edema": i % 2 > 0, "mass": i % 3 > 0, "nodule": i % 4 > 1} for i in range(24)]
    drawn = {"edema": one, "mass": other, "nodule": blob(1)}
    shapes = [{word: drawn[word] & shown for word, shown in own.items()} for own in present]
    rows = [
        (f"{name}.png_{word}" if "_" in head else f"{name}.png,{word}", absolute(mask))
        for name, own in zip(names, shapes, strict=True)
        for word, mask in own.items()
    ]
    table("train.csv", head, rows)
    proposed = propose(Path("raw"))
    _, records = read(proposed)
    for name, own in zip(names, present, strict=True):
        assert records[name].targets == {word: str(int(shown)) for word, shown in own.items()}
    masks = converted("\n".join(proposed.notes))
    assert all(
        np.array_equal(masks[n] > 0, np.any(list(s.values()), axis=0)) for n, s in zip(names, shapes, strict=True)
    )


def test_numbers_of_classes_behind_names_of_files(home):
    names, (one, other) = films(24), apart()
    rows = [
        (f"{name}.png_{k}", absolute(mask) if i % (k + 1) else "")
        for i, name in enumerate(names)
        for k, mask in enumerate((one, other), 1)
    ]
    table("train.csv", "ImageId_ClassId,EncodedPixels", rows)
    _, records = read(propose(Path("raw")))
    assert records[names[2]].targets["class_1"] == "0"
    assert len(records) == 24


@pytest.mark.parametrize("flat", [False, True])
def test_where_nothing_but_masks_is_known_the_error_has_the_command(home, flat):
    names = films(12, folder="set" if flat else "set/train")
    rows = [(name, absolute(blob(i)), 60, 40) for i, name in enumerate(names) for _ in range(2)]
    table("set/train.csv", "id,annotation,width,height", rows)
    with pytest.raises(ScantuneError, match="no column looks like a target") as error:
        propose(Path("raw/set"))
    masks = converted(str(error.value))
    assert all(np.array_equal(masks[name] > 0, blob(i)) for i, name in enumerate(names))


def test_the_table_of_masks_is_proposed_as_a_segmentation_with_its_subjects(home):
    names = films(24)
    rows = [(name, f"P{i // 2:02d}", absolute(blob(i))) for i, name in enumerate(names)]
    table("train.csv", "image,patient_id,rle", rows)
    with pytest.raises(ScantuneError) as error:
        propose(Path("raw"))
    _, output = run(str(error.value))
    assert "subject: patient_id" in output
    init = shlex.split(output.splitlines()[-1].partition("scantune ")[2])
    assert init[2:] == ["--root", str(home / "raw"), "--name", "train_masks", "--add"]
    experiment, records = read(propose(Path(init[1]), root=Path(init[3]), name=init[5]))
    assert experiment.task.name == "segmentation"
    assert {record.subject_id for record in records.values()} == {f"P{i:02d}" for i in range(12)}
    assert all(record.masks for record in records.values())


def outlines(folder: str, names: list[str], *, xml: bool) -> None:
    """Outlines of a square, beside nothing."""
    Path("raw", folder).mkdir(parents=True, exist_ok=True)
    corners = [(10, 5), (30, 5), (30, 25), (10, 25)]
    for name in names:
        if xml:
            vertices = "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in corners)
            text = f"<Region Id='1' Type='0'><Vertices>{vertices}</Vertices></Region>"
            text = f"<Annotations><Annotation Id='1'><Regions>{text}</Regions></Annotation></Annotations>"
        else:
            shape = {"label": "a", "points": corners, "shape_type": "polygon"}
            text = json.dumps({"shapes": [shape], "imagePath": f"..\\x\\{name}.png"})
        Path("raw", folder, f"{name}.{'xml' if xml else 'json'}").write_text(text)


@pytest.mark.parametrize("xml", [False, True])
@pytest.mark.parametrize("folders", [("images", "annotations"), ("images", "images")])
def test_images_with_outlines_in_files_of_their_own(home, xml, folders):
    names = films(12, folder=folders[0])
    outlines(folders[1], names[:-1], xml=xml)
    proposed = propose(Path("raw"))
    assert any(f"11 files have outlines of {'ImageScope' if xml else 'labelme'}" in note for note in proposed.notes)
    masks = converted("\n".join(proposed.notes))
    assert set(masks) == set(names[:-1])
    assert all(mask[6:24, 11:29].all() and mask.sum() == 20 * 20 * 255 for mask in masks.values())


def test_folders_of_patients_are_one_command_and_those_of_readers_one_each(home):
    for patient in ("p1", "p2", "p3"):
        for i in range(4):
            films(1, folder=f"{patient}/i{i}")
            Path(f"raw/{patient}/i{i}/f0000000.png").rename(f"raw/{patient}/img{i}.png")
        outlines(patient, [f"img{i}" for i in range(4)], xml=False)
    notes = [note for note in propose(Path("raw")).notes if "scantune convert" in note]
    assert len(notes) == 1
    assert len(converted(notes[0])) == 12


def test_folders_of_readers_are_a_command_each(home):
    names = films(12)
    for reader in ("A", "B"):
        outlines(f"contours/{reader}", names, xml=True)
    notes = [note for note in propose(Path("raw")).notes if "scantune convert" in note]
    assert [set(converted(note)) for note in notes] == [set(names), set(names)]
    assert "another reader's" in notes[1]


def test_tables_of_partitions_are_one_command(home):
    names = films(24)
    for side, own in (("train", names[:16]), ("val", names[16:])):
        rows = [(name, absolute(blob(i)) if i % 2 else "") for i, name in enumerate(own)]
        table(f"{side}_rle.csv", "ImageId,EncodedPixels", rows)
    proposed = propose(Path("raw"))
    experiment, _ = read(proposed)
    assert experiment.task.target == "label"
    command, _ = run("\n".join(proposed.notes))
    lines = Path(command[command.index("--out") + 1], "cohort.csv").read_text().splitlines()
    assert [line.split(",")[-1] for line in lines[1:]] == ["train"] * 16 + ["validation"] * 8


def test_folders_and_classes_in_one_name_of_another_machine(home):
    rows = []
    for patient in ("P1", "P2", "P3"):
        for i, name in enumerate(films(4, folder=patient)):
            Path(f"raw/{patient}/{name}.png").rename(f"raw/{patient}/IMG{i}.PNG")
            rows += [(f"{patient}\\img{i}.png_{k}", absolute(apart()[k - 1]) if i % (k + 1) else "-1") for k in (1, 2)]
    table("labels.csv", "ImageId_ClassId,EncodedPixels", rows)
    proposed = propose(Path("raw"))
    masks = converted("\n".join(proposed.notes))
    assert len(masks) == 12
    assert np.array_equal(masks["P1_IMG1"] > 0, apart()[0] | apart()[1])


def test_notes_of_several_lines_are_comments(home):
    names = films(24)
    table("labels.csv", "image,label", [(name, i % 2) for i, name in enumerate(names)])
    table("twice.csv", "image,label,finding,visit", [(name, i % 3, k, k) for i, name in enumerate(names) for k in "ab"])
    Path("raw/broken.csv").write_text("image,image\n1,2,3\n1\n")
    result = CliRunner().invoke(app, ["init", "raw", "--out", "blocks.yaml"])
    assert result.exit_code == 0, repr(result.exception)
    text = Path("blocks.yaml").read_text()
    assert "broken.csv is not used" in text
    assert set(yaml.safe_load(text)) >= {"datasets", "inputs", "experiments"}
