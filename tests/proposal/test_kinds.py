"""Tables beside files of several kinds (FLAIR, T1; CT, PET), and beside masks: which of them are the samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from scantune.proposal.blocks import propose
from scantune.records import ScantuneError
from tests.proposal.test_layouts import home as home
from tests.proposal.test_layouts import mask, picture, read, table, volume


def brats(column: str, without: str = "") -> None:
    for i in range(12):
        for c, kind in enumerate(("flair", "t1", "t1ce", "t2")):
            if kind != without or i < 6:
                volume(f"B/BraTS_{i:03d}/BraTS_{i:03d}_{kind}.nii.gz", 10 * i + c)
        volume(f"B/BraTS_{i:03d}/BraTS_{i:03d}_seg.nii.gz", i, labels=True)
    table("B/mapping.csv", f"ID,{column}", [(f"BraTS_{i:03d}", ("HGG", "LGG")[i % 2]) for i in range(12)])


@pytest.mark.parametrize(("without", "kinds"), [("", ["flair", "t1", "t1ce", "t2"]), ("t1", ["flair", "t1ce", "t2"])])
@pytest.mark.parametrize("masks", [False, True])
def test_kinds_on_one_grid_are_channels_and_masks_are_told(home, without, kinds, masks):
    brats("Grade", without)
    proposed = propose(Path("raw"), target="masks" if masks else "")
    params, records = read(proposed)
    assert params.experiments["mapping"].task.name == ("segmentation" if masks else "classification")
    for record in records:
        assert [path.name.split("_")[-1].removesuffix(".nii.gz") for path in record.files] == kinds
        assert [path.name.split("_")[-1] for path in record.masks] == ["seg.nii.gz"] * masks
    assert any("several kinds are channels" in note for note in proposed.notes)
    assert any("--target masks" in note for note in proposed.notes) is not masks
    listed = "flair, t1ce, t2 of 'flair' 12, 't1' 6" if without else "'flair' 12, 't1' 12, 't1ce' 12, 't2' 12"
    assert any(listed in note for note in proposed.notes)


def grid(path: str, size: tuple[int, int, int], seed: int, labels: bool = False) -> None:
    Path("raw", path).parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).random(size[::-1], np.float32)
    image = sitk.GetImageFromArray((values > 0.9).astype("uint8") if labels else values)
    sitk.WriteImage(image, str(Path("raw", path)))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("target", ["", "masks"])
def test_of_kinds_on_several_grids_the_masks_or_the_finest_is_taken(home, masked, target):
    for i in range(12):
        for k, (kind, size) in enumerate({"adc": (8, 8, 6), "cor": (20, 8, 20), "t2w": (16, 16, 8)}.items()):
            grid(f"images/{100 + i // 2}/{100 + i // 2}_{9000 + i}_{kind}.mha", size, 3 * i + k)
        if masked:
            grid(f"labels/human_expert/{100 + i // 2}_{9000 + i}.nii.gz", (16, 16, 8), i, labels=True)
    rows = [(100 + i // 2, 9000 + i, f"{4.5 + i}", ("YES", "NO")[i // 2 % 2]) for i in range(12)]
    table("marksheet.csv", "patient_id,study_id,psa,case_csPCa", rows)
    if target and not masked:
        with pytest.raises(ScantuneError, match="no files named as masks"):
            propose(Path("raw"), target=target)
        return
    proposed = propose(Path("raw"), target=target)
    _, records = read(proposed)
    kind = "t2w" if masked else "cor"
    assert {path.name.split("_")[-1] for r in records for path in r.files} == {f"{kind}.mha"}
    assert all(bool(r.masks) is bool(target) for r in records)
    assert target or all(r.targets == {"case_cspca": ("YES", "NO")[i // 2 % 2]} for i, r in enumerate(records))
    assert any(f"{kind!r}, o" in note and "'adc' 12, 'cor' 12, 't2w' 12" in note for note in proposed.notes)


@pytest.mark.parametrize(
    ("kinds", "taken"),
    [
        (("baseline", "followup"), "baseline"),
        (("0001", "0002"), "0001"),  # channels are numbered from 0000 on
        (("flip", "orig", "rot90"), "orig"),
        (("ct", "gtv", "roi"), "ct"),
        (("aorta", "ct"), "ct"),
    ],
)
def test_visits_altered_copies_and_masks_by_their_values_are_no_channels(home, kinds, taken):
    for i in range(12):
        for k, kind in enumerate(kinds):
            volume(f"P{i:03d}_{kind}.nii.gz", 3 * i + k, labels=kind in ("aorta", "gtv", "roi"))
    table("labels.csv", "id,label", [(f"P{i:03d}", "ab"[i % 2]) for i in range(12)])
    proposed = propose(Path("raw"))
    _, records = read(proposed)
    assert {path.name.split("_")[1] for r in records for path in r.files} == {f"{taken}.nii.gz"}
    assert any(f"{taken!r} is taken of" in note for note in proposed.notes)
    assert any("of few values, as masks have" in note for note in proposed.notes) is ("ct" in kinds)


def test_rows_without_a_channel_are_told(home):
    for i in range(40):
        for k, kind in enumerate(("flair", "t1")):
            if (i, kind) != (3, "t1"):
                volume(f"P{i:03d}_{kind}.nii.gz", 2 * i + k)
    table("labels.csv", "id,label", [(f"P{i:03d}", "ab"[i % 2]) for i in range(40)])
    assert any("1 row without a file of each left out" in note for note in propose(Path("raw")).notes)


def test_kinds_of_pictures_are_told(home):
    for i in range(12):
        for k, kind in enumerate(("rgb", "depth")):
            picture(f"{i:02d}_{kind}.png", 2 * i + k)
    table("labels.csv", "id,label", [(f"{i:02d}", "ab"[i % 2]) for i in range(12)])
    proposed = propose(Path("raw"))
    _, records = read(proposed)
    assert {len(r.files) for r in records} == {1}
    assert any("rows have files of several kinds" in note for note in proposed.notes)


@pytest.mark.parametrize("folder", ["labels/human_expert", "segmentations", "b_masks"])
def test_ids_lead_to_images_before_masks_of_the_same_names(home, folder):
    for i in range(12):
        picture(f"images/{100 + i}_scan_a.png", i)
        mask(f"{folder}/{100 + i}.png", i)
    table("labels.csv", "id,diagnosis", [(100 + i, "ab"[i % 2]) for i in range(12)])
    _, records = read(propose(Path("raw")))
    assert len(records) == 12
    assert all(path.parent.name == "images" for r in records for path in r.files)


@pytest.mark.parametrize("table_of", ["participant_id,age", "participant_id,diagnosis"])
def test_kinds_in_folders_beside_each_other(home, table_of):
    for i in range(12):
        sub = f"sub-{i:04d}"
        for k, (place, size) in enumerate(
            {"anat/FLAIR": (20, 20, 9), "dwi/adc": (12, 12, 8), "dwi/dwi": (12, 12, 8)}.items()
        ):
            folder, kind = place.split("/")
            grid(f"I/{sub}/ses-1/{folder}/{sub}_ses-1_{kind}.nii.gz", size, 3 * i + k)
        grid(f"I/derivatives/{sub}/ses-1/{sub}_ses-1_msk.nii.gz", (12, 12, 8), i, labels=True)
    rows = [(f"sub-{i:04d}", 40 + i if "age" in table_of else "ab"[i % 2]) for i in range(12)]
    table("I/participants.csv", table_of, rows)
    proposed = propose(Path("raw"))
    params, records = read(proposed)
    masked = "age" in table_of
    assert params.experiments["participants"].task.name == ("segmentation" if masked else "classification")
    assert all([path.name.split("_")[-1] for path in r.files] == ["adc.nii.gz", "dwi.nii.gz"] for r in records)
    assert all(bool(r.masks) is masked for r in records)
    assert any(
        "adc, dwi, on the grid of the masks, of 'anat/FLAIR' 12" in note or "adc, dwi" in note
        for note in proposed.notes
    )


@pytest.mark.parametrize("written", [False, True])
def test_kinds_in_folders_of_patients(home, written):
    for i in range(12):
        for k, kind in enumerate(("flair", "t1")):
            volume(f"{i + 7:04d}/{kind}.nii.gz", 2 * i + k)
    cells = [("'" if written else "", i + 7, "ab"[i % 2]) for i in range(12)]
    table("labels.csv", "id,label", [(f"{sign}{number:04d}", label) for sign, number, label in cells])
    _, records = read(propose(Path("raw")))
    assert all([path.name for path in r.files] == ["flair.nii.gz", "t1.nii.gz"] for r in records)
    assert all(len({path.parent for path in r.files}) == 1 for r in records)


def test_names_of_masks_without_folder_and_ending_are_found(home):
    for i in range(12):
        picture(f"Image/LIDC-{i // 4:04d}/{i // 4:04d}_NI000_slice{i % 4:03d}.png", i)
        mask(f"Mask/LIDC-{i // 4:04d}/{i // 4:04d}_MA000_slice{i % 4:03d}.png", i)
    cells = [(i // 4, *(f"{i // 4:04d}_{kind}000_slice{i % 4:03d}" for kind in ("NI", "MA")), i % 3) for i in range(12)]
    table("meta.csv", "patient_id,original_image,mask_image,malignancy", cells)
    params, records = read(propose(Path("raw")))
    assert params.experiments["meta"].task.name == "segmentation"
    assert len(records) == 12
    for record in records:
        assert record.masks[0].name == record.files[0].name.replace("NI", "MA")
        assert record.files[0].parts[-3] == "Image"


def test_a_column_of_masked_images_names_no_masks(home):
    for i in range(12):
        picture(f"full/f{i:03d}.png", i)
        picture(f"skull/s{i:03d}.png", 50 + i)
    table("labels.csv", "image,masked_image,label", [(f"f{i:03d}", f"s{i:03d}", "ab"[i % 2]) for i in range(12)])
    params, _ = read(propose(Path("raw")))
    assert params.experiments["labels"].task.name == "classification"


def test_sides_in_names_of_volumes_are_samples_of_their_own(home):
    for i in range(12):
        for k, side in enumerate(("L", "R")):
            volume(f"knees/P{i:03d}_{side}.nii.gz", 2 * i + k)
    table("knees/t.csv", "patient,pain", [(f"P{i:03d}", i % 2) for i in range(12)])
    proposed = propose(Path("raw/knees"))
    _, records = read(proposed)
    assert len(records) == 24
    assert {len(record.files) for record in records} == {1}
    assert len({record.subject_id for record in records}) == 12


def test_a_target_beside_a_column_of_masks_is_told(home):
    for i in range(12):
        picture(f"im/{i:02d}.png", i)
        mask(f"ma/{i:02d}_m.png", i)
    table("t.csv", "image,mask_image,label", [(f"im/{i:02d}.png", f"ma/{i:02d}_m.png", "ab"[i % 2]) for i in range(12)])
    proposed = propose(Path("raw"))
    params, _ = read(proposed)
    assert params.experiments["t"].task.name == "segmentation"
    assert any("--target label predicts this column instead" in note for note in proposed.notes)
    assert read(propose(Path("raw"), target="label"))[0].experiments["t"].task.name == "classification"
