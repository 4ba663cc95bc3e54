"""Annotations that are no masks yet: what they say of an image as its labels, and the command for masks as it works."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
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
    command = shlex.split(next(w for w in words.splitlines() if "scantune convert" in w).partition(": scantune ")[2])
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output + repr(result.exception)
    out = Path(command[command.index("--out") + 1])
    return {path.stem: np.asarray(Image.open(path)) for path in out.glob("masks/*.png")}


def films(n: int, folder: str = "images") -> list[str]:
    names = [f"f{i * 7919:07x}" for i in range(n)]
    for seed, name in enumerate(names):
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
    converted(str(error.value))
    experiment, records = read(propose(Path("raw/train_masks/cohort.csv"), root=Path("raw")))
    assert experiment.task.name == "segmentation"
    assert {record.subject_id for record in records.values()} == {f"P{i:02d}" for i in range(12)}
    assert all(record.masks for record in records.values())
