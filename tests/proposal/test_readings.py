"""Several masks of an image: readers of one structure, or structures, by their names and by how far they agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scantune import cohort, io
from scantune.config.load import parse
from scantune.proposal.blocks import propose
from scantune.proposal.readings import class_names

WHOLE, PART = (slice(2, 12), slice(2, 12)), (slice(5, 8), slice(5, 8))
NEARLY, BESIDE, TOUCHING = (slice(3, 12), slice(2, 12)), (slice(12, 15), slice(2, 12)), (slice(11, 15), slice(2, 12))
OVERLAPPING, APART, READERS = "overlapping", "apart", "readers"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def marked(path: Path, *where: tuple[slice, slice]) -> None:
    mask = np.zeros((16, 16), np.uint8)
    for part in where:
        mask[part] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    io.write_png(path, mask)


def drawn(layout: str, names: tuple[str, str], parts: tuple[tuple[slice, slice], ...], images: int = 8) -> None:
    for i in range(images):
        path = Path(f"raw/images/p{i:02d}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        io.write_png(path, np.random.default_rng(i).integers(0, 255, (16, 16), np.uint8))
        for name, part in zip(names, parts, strict=True):
            marked(Path("raw", layout.format(name=name, i=f"p{i:02d}")), part)


def proposed_records():
    proposed = propose(Path("raw"))
    for path, source in proposed.tables.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source.written())
    params = parse({"experiments": {}, **proposed.blocks})
    return params, cohort.load(params.datasets["raw"], Path()), proposed


@pytest.mark.parametrize("layout", ["{name}_masks/{i}.png", "masks/{i}_{name}.png"])
@pytest.mark.parametrize(
    ("names", "parts", "kind"),
    [
        (("liver", "tumour"), (WHOLE, PART), OVERLAPPING),  # a part of the other
        (("liver", "spleen"), (WHOLE, TOUCHING), OVERLAPPING),  # a row of pixels is both
        (("liver", "spleen"), (WHOLE, BESIDE), APART),
        (("gland", "zone"), (WHOLE, NEARLY), OVERLAPPING),  # as alike as two readers, but for their names
        (("alpha", "beta"), (WHOLE, PART), OVERLAPPING),  # names say nothing, and no two readers differ so far
        (("alpha", "beta"), (WHOLE, NEARLY), READERS),
        (("reader1", "reader2"), (WHOLE, PART), READERS),
        (("1stHO", "2ndHO"), (WHOLE, PART), READERS),
    ],
)
def test_masks_of_structures_are_classes_and_those_of_readers_are_compared(home, layout, names, parts, kind):
    drawn(layout, names, parts)
    params, records, _ = proposed_records()
    task, drawing = params.experiments["raw"].task, params.inputs["raw"].mask_overlap
    structures = kind != READERS
    assert task.classes == (("background", *names) if structures else ("background", "foreground"))
    assert task.overlapping == drawing == (kind == OVERLAPPING)
    assert all(len(record.masks) == (2 if structures else 1) for record in records)
    assert all(bool(record.rater_masks) == (not structures) for record in records)


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["liver_masks", "spleen_masks"], ["liver", "spleen"]),
        (["train/masks_liver", "train/masks_spleen"], ["liver", "spleen"]),
        (["masks/liver", "masks/spleen"], ["liver", "spleen"]),
        (["liver/masks", "spleen/masks"], ["liver", "spleen"]),
        (["GT Left Ventricle", "gt-right-ventricle"], ["Left_Ventricle", "right_ventricle"]),
        (["LiverMask", "KidneySegmentation"], ["Liver", "Kidney"]),
        (["optic_disc", "optic cup"], ["optic_disc", "optic cup"]),
        (["gtv", "ctv"], ["gtv", "ctv"]),  # no word for masks, though it begins like one
        (["Zähne_masken", "Leber_masks"], ["Zähne_masken", "Leber"]),
        (["mask_1", "mask_2"], ["mask_1", "mask_2"]),  # numbers are no names
        (["a/liver_mask", "b/liver_mask"], ["a/liver_mask", "b/liver_mask"]),
        (["liver_mask", "Liver_gt"], ["liver_mask", "Liver_gt"]),
        (["file_masks", "liver_masks"], ["file_masks", "liver_masks"]),
        (["masks", "liver_masks"], ["masks", "liver"]),
    ],
)
def test_classes_are_named_without_the_word_for_masks(names, classes):
    assert list(class_names(names).values()) == classes


def test_a_structure_that_some_images_lack_is_no_reader_and_told(home):
    drawn("{name}_masks/{i}.png", ("liver", "tumour"), (WHOLE, PART))
    for i in (1, 4, 6):
        Path(f"raw/tumour_masks/p{i:02d}.png").unlink()
    params, records, proposed = proposed_records()
    assert params.experiments["raw"].task.classes == ("background", "foreground")
    assert all(not record.rater_masks and "liver" in record.masks[0].as_posix() for record in records)
    assert len(records) == 8
    assert any("3 of 8 images have no mask in 'tumour_masks'" in note for note in proposed.notes)


def test_more_structures_than_may_overlap_are_told(home):
    organs = ("liver", "spleen", "kidney", "lung", "heart", "aorta", "colon", "brain")
    drawn("masks/{i}_{name}.png", organs, (WHOLE, *[PART] * 7))
    params, _, proposed = proposed_records()
    assert len(params.experiments["raw"].task.classes) == 9
    assert any("mask_overlap" in note and "at most 7" in note for note in proposed.notes)
