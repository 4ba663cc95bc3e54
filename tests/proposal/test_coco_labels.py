"""COCO annotations: categories of an image as its labels, and the way to masks."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from scantune import io
from scantune.cli import app
from scantune.cohort.faults import CohortError
from scantune.proposal.blocks import propose
from tests.proposal.test_widening import home as home
from tests.proposal.test_widening import read

NAMES = ("edema", "mass", "nodule")


def coco(side: str, numbers: range, *, several: bool = False) -> None:
    """Images ``0.png`` … of each side, each with two annotations of each of its categories; a few without any."""
    images, annotations = [], []
    for i in numbers:
        path = Path(f"raw/{side}/images/{i % 24}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        io.write_png(path, np.random.default_rng(i).integers(0, 255, (16, 16), np.uint8))
        images.append({"id": i, "file_name": path.name, "width": 16, "height": 16})
        shown = [k for k in range(3) if i % (k + 2) == 0] if several else [i % 3]
        annotations += [
            {"image_id": i, "category_id": k + 1, "segmentation": [[2, 2, 9, 2, 9, 9]]} for k in shown for _ in range(2)
        ]
    categories = [{"id": k, "name": name} for k, name in enumerate(NAMES, 1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    Path(f"raw/{side}/annotations").mkdir(parents=True)
    Path(f"raw/{side}/annotations/{side}.json").write_text(json.dumps(content))


def test_one_category_an_image_is_its_class_and_partitions_are_those_of_the_files(home):
    coco("train", range(48))
    coco("val", range(48, 72))
    proposed = propose(Path("raw"))
    experiment, records = read(proposed)
    assert experiment.task.name == "classification"
    assert len(records) == 24  # by name of the file: those of both sides have the same
    experiment, _ = read(proposed)
    rows = next(iter(proposed.tables.values())).rows
    assert {(row["file"], row["class"], row["split"]) for row in rows} >= {
        ("train/images/1.png", "mass", "train"),
        ("val/images/1.png", "mass", "validation"),
    }


def test_several_categories_are_findings_and_an_image_without_any_has_none(home):
    coco("all", range(24), several=True)
    experiment, records = read(propose(Path("raw/all/annotations/all.json"), root=Path("raw")))
    assert experiment.task.name == "multilabel"
    assert records["12"].targets == {"class": "edema|mass|nodule"}
    assert records["1"].targets == {"class": "No finding"}


def test_the_command_for_masks_works_as_it_is_written(home):
    coco("all", range(24))
    note = next(note for note in propose(Path("raw")).notes if "scantune convert masks" in note)
    result = CliRunner().invoke(app, shlex.split(note.partition("by: scantune ")[2]))
    assert result.exit_code == 0, result.output
    assert len(list(Path("raw/coco_masks/masks").glob("*.png"))) == 24


def test_outlines_of_one_category_are_for_masks_alone(home):
    coco("all", range(0, 24, 3))
    assert any("all images have one label" in note and "convert masks" in note for note in propose(Path("raw")).notes)


def test_json_that_is_something_else_is_an_error(home):
    Path("raw").mkdir()
    Path("raw/labels.json").write_text('{"a.png": "mass"}')
    with pytest.raises(
        CohortError, match=r"labels.json(.|\n)*'images' must be a list of objects with id and file_name"
    ):
        propose(Path("raw/labels.json"))
