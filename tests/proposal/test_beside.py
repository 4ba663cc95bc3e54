"""Tables whose columns are no target: masks beside the images, and columns of the scanner and the staff."""

from __future__ import annotations

from pathlib import Path

import pytest

from scantune.proposal import headings
from scantune.proposal.blocks import propose
from tests.proposal.test_layouts import home as home
from tests.proposal.test_layouts import mask, picture, read, table, volume


def bids(columns: str, cells, n: int = 18, label: str = "label-lesion_mask", without: int = 0) -> None:
    """Images of BIDS with a table of participants, and masks in ``derivatives``."""
    for i in range(n):
        sub = f"sub-{i:02d}"
        volume(f"{sub}/anat/{sub}_FLAIR.nii.gz", i)
        if i >= without:
            volume(f"derivatives/drawn/{sub}/anat/{sub}_{label}.nii.gz", i, labels=True)
    table("participants.tsv", f"participant_id\t{columns}", [(f"sub-{i:02d}", *cells(i)) for i in range(n)], "\t")


@pytest.mark.parametrize(
    ("columns", "cells"),
    [
        ("InstitutionName\tAcquisitionMatrixPE", lambda i: ("ABCDEF"[i % 6], 200 + i)),
        ("ReceiveCoilName\tEchoTime", lambda i: (f"C{i % 4}", 0.02 + i / 1000)),
        ("remark\tplace", lambda i: (f"r{i // 2}", f"p{i // 2}")),  # no value recurs as one of a class does
        ("group\tage", lambda i: ("ab"[i % 2], 40 + i)),  # may be one, but nothing names it
    ],
)
@pytest.mark.parametrize("without", [0, 3])
def test_masks_of_derivatives_come_before_columns_that_nothing_names_a_target(home, columns, cells, without):
    bids(columns, cells, without=without)
    proposed = propose(Path("raw"))
    params, records = read(proposed)
    assert params.experiments["participants"].task.name == "segmentation"
    assert len(records) == 18 - without
    for record in records:
        assert record.masks[0].name.split("_")[0] == record.files[0].name.split("_")[0]
        assert "derivatives" in record.masks[0].parts
        assert record.subject_id
    assert any("the table names no masks" in note for note in proposed.notes)
    assert not any("masks are named by `masks`" in note for note in proposed.notes)


@pytest.mark.parametrize(
    ("columns", "cells", "label"),
    [
        ("diagnosis", lambda i: ("ab"[i % 2],), "label-lesion_mask"),  # named like a target
        ("RFS\trelapse", lambda i: (100 + 43 * i, i % 2), "label-lesion_mask"),  # times and events by their names
        ("group", lambda i: ("ab"[i % 2],), "desc-brain_mask"),  # masks of the brain are of no finding
    ],
)
def test_a_column_that_is_a_target_comes_before_masks_beside(home, columns, cells, label):
    bids(columns, cells, label=label)
    params, _ = read(propose(Path("raw")))
    task = "survival" if "RFS" in columns else "classification"
    assert params.experiments["participants"].task.name == task


@pytest.mark.parametrize("columns", ["age_years\tstatus", "days_since_scan\tsmoking_status"])
def test_ages_and_habits_are_no_times_and_events(home, columns):
    bids(columns, lambda i: (40 + 3 * i, i % 2), label="label-lesion_mask")
    params, _ = read(propose(Path("raw")))
    assert params.experiments["participants"].task.name == "segmentation"


def test_a_table_of_files_alone_finds_the_masks_beside_them(home):
    for i in range(12):
        picture(f"films/p{i:02d}.png", i)
        mask(f"segmentations/p{i:02d}.png", i)
    table("list.csv", "patient,file", [(f"P{i}", f"films/p{i:02d}.png") for i in range(12)])
    params, records = read(propose(Path("raw/list.csv")))
    assert params.experiments["list"].task.name == "segmentation"
    assert all(record.masks[0].name == record.files[0].name for record in records)


@pytest.mark.parametrize("separator", [" ", "\t", ","])
def test_lists_of_an_image_and_its_mask_a_line_keep_their_partitions(home, separator):
    sides = {"train": range(12), "val": range(12, 16), "test": range(16, 20)}
    for side, numbers in sides.items():
        for i in numbers:
            picture(f"data/img/{i:02d}.png", i)
            mask(f"data/ann/{i:02d}.png", i)
        lines = [f"data/img/{i:02d}.png{separator}data/ann/{i:02d}.png\n" for i in numbers]
        Path(f"raw/{side}.txt").write_text("".join(lines))
    params, records = read(propose(Path("raw")))
    assert params.experiments["raw"].task.name == "segmentation"
    assert len(records) == 20
    assert all(r.files[0].parent.name == "img" and r.masks[0].parent.name == "ann" for r in records)
    assert all(r.files[0].name == r.masks[0].name for r in records)
    of = {"train": "train", "val": "validation", "test": "test"}
    expected = {f"{i:02d}.png": of[side] for side, numbers in sides.items() for i in numbers}
    assert {r.files[0].name: r.split for r in records} == expected


def test_scanner_and_staff_are_groups_and_no_targets(home):
    names = ("institution", "researcher", "coil", "OperatorsName", "MagneticFieldStrength")
    for i in range(40):
        picture(f"p{i:02d}.png", i)
    rows = [(f"p{i:02d}.png", *(f"{'ABCDEFGH'[i % (4 + k)]}" for k in range(5)), i % 2) for i in range(40)]
    table("list.csv", f"file,{','.join(names)},finding", rows)
    params, _ = read(propose(Path("raw/list.csv")))
    groups = params.datasets["list"].groups
    assert set(groups.values()) == set(names)
    assert set(groups) == {"institution", "researcher", "coil", "operator", "field_strength"}


@pytest.mark.parametrize("column", ["EchoTime", "echo_time", "FlipAngle", "ImageType", "SliceThickness", "StationName"])
def test_attributes_of_the_acquisition_are_technical(column):
    assert headings.is_technical(column)


@pytest.mark.parametrize("column", ["BodyPartExamined", "group", "response", "echo_quality", "gradient", "outcome"])
def test_what_may_be_learned_is_not_technical(column):
    assert not headings.is_technical(column)
