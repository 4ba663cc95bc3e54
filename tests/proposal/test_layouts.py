"""Layouts of public data sets and of hospitals, drawn small: target, subject, partitions, masks, channels of each."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import openpyxl
import pytest
import SimpleITK as sitk

from scantune import cohort, io
from scantune.config.load import parse
from scantune.proposal.blocks import Proposed, propose
from tests.io.test_nrrd_segments import write as write_segments

Row = Sequence[object]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def picture(path: str, seed: int) -> None:
    Path("raw", path).parent.mkdir(parents=True, exist_ok=True)
    io.write_png(Path("raw", path), np.random.default_rng(seed).integers(0, 255, (16, 16), np.uint8))


def mask(path: str, seed: int) -> None:
    Path("raw", path).parent.mkdir(parents=True, exist_ok=True)
    io.write_png(Path("raw", path), 255 * (np.random.default_rng(seed).random((16, 16)) > 0.5).astype(np.uint8))


def volume(path: str, seed: int, labels: bool = False) -> None:
    Path("raw", path).parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).random((16, 16, 16), np.float32)
    values = np.floor(values * 3) if labels else values
    if path.endswith((".nii", ".nii.gz")):
        io.write_nifti(Path("raw", path), io.Volume(values, np.eye(4)))
    else:
        sitk.WriteImage(sitk.GetImageFromArray(values.astype("uint8") if labels else values), str(Path("raw", path)))


def table(path: str, head: str, rows: Sequence[Row], separator: str = ",") -> None:
    Path("raw", path).parent.mkdir(parents=True, exist_ok=True)
    lines = [head.replace(",", separator), *(separator.join(map(str, row)) for row in rows)]
    Path("raw", path).write_text("\n".join(lines) + "\n")


def kermany(n: int = 48) -> None:
    for i in range(n):
        side = "train" if i < 36 else "test"
        name = f"NORMAL/IM-{i:04d}-0001.png" if i % 2 else f"PNEUMONIA/person{i // 4}_virus_{i}.png"
        picture(f"{side}/{name}", i)
    Path("raw/__MACOSX/train").mkdir(parents=True)
    Path("raw/train/NORMAL/Thumbs.db").write_bytes(b"\xd0\xcf")


def class_and_patient(n: int = 48) -> None:
    for i in range(n):
        picture(f"{('benign', 'malignant')[i // 4 % 2]}/patient_{i // 4:03d}/slice_{i % 4}.png", i)


def patient_and_class(n: int = 60) -> None:
    for i in range(n):
        picture(f"{10000 + i // 6}/{i % 2}/{i}.png", i)


def site_and_class(n: int = 48) -> None:
    for i in range(n):
        picture(f"Site{'ABC'[i % 3]}/{('normal', 'tumour')[i // 3 % 2]}/{i}.png", i)


def classes_with_masks() -> None:
    for i in range(24):
        kind, k = ("benign", "malignant")[i % 2], i // 2
        picture(f"{kind}/{kind} ({k}).png", i)
        mask(f"{kind}/{kind} ({k})_mask.png", i)
    mask("benign/benign (3)_mask_1.png", 99)


def readers_by_ending() -> None:
    for i in range(8):
        for side in "LR":
            picture(f"Image_{i:02d}{side}.png", 2 * i + (side == "R"))
            for reader in ("1stHO", "2ndHO"):
                mask(f"Image_{i:02d}{side}_{reader}.png", 40 + 2 * i + (side == "R"))


def folder_named_seg() -> None:
    for i in range(12):
        picture(f"Polyp-SEG/images/c{i}z.png", i)
        mask(f"Polyp-SEG/masks/c{i}z.png", i)


def nnunet(channels: int, ending: str = ".nii.gz") -> None:
    for i in range(8):
        for c in range(channels):
            volume(f"Dataset005_P/imagesTr/p_{i:02d}_{c:04d}{ending}", 10 * i + c)
        volume(f"Dataset005_P/labelsTr/p_{i:02d}{ending}", i, labels=True)
    names = {"channel_names": {"0": "T2", "1": "ADC"}, "labels": {"background": 0, "PZ": 1, "TZ": 2}}
    Path("raw/Dataset005_P/dataset.json").write_text(json.dumps(names))


def luna() -> None:
    for i in range(12):
        volume(f"subset{i % 2}/1.3.6.1.4.1.14519.5.2.{1000 + 37 * i}.mhd", i)
    rows = [[f"1.3.6.1.4.1.14519.5.2.{1000 + 37 * i}", ("benign", "malignant")[i // 2 % 2]] for i in range(12)]
    table("labels.csv", "seriesuid,diagnosis", rows)


def slicer(apart: bool) -> None:
    for i in range(8):
        volume(f"p{i:02d}/scan.nrrd" if apart else f"p{i:02d}.nrrd", i)
        volume(f"p{i:02d}/scan.seg.nrrd" if apart else f"p{i:02d}.seg.nrrd", i, labels=True)


def brats() -> None:
    for i in range(8):
        for c, kind in enumerate(("flair", "t1", "t1ce", "t2")):
            volume(f"B/BraTS_{i:03d}/BraTS_{i:03d}_{kind}.nii.gz", 10 * i + c)
        volume(f"B/BraTS_{i:03d}/BraTS_{i:03d}_seg.nii.gz", i, labels=True)


def views_with_masks() -> None:
    for i in range(6):
        for view in ("ED", "ES"):
            volume(f"patient{i:04d}/patient{i:04d}_{view}.nii.gz", 2 * i + (view == "ES"))
            volume(f"patient{i:04d}/patient{i:04d}_{view}_gt.nii.gz", i, labels=True)


def bids() -> None:
    for i in range(12):
        for session in ("01", "02")[: 1 + i % 2]:
            volume(f"sub-{i:02d}/ses-{session}/anat/sub-{i:02d}_ses-{session}_T1w.nii.gz", 2 * i + int(session))
    rows = [(f"sub-{i:02d}", 20 + i, "FM"[i % 2], ("control", "patient")[i // 2 % 2]) for i in range(12)]
    table("participants.tsv", "participant_id,age,sex,group", rows, "\t")


def titled_sheet_of_folders() -> None:
    book = openpyxl.Workbook()
    for row in (("OASIS: Cross-Sectional Data",), (None,), ("ID", "M/F", "Age", "CDR")):
        book.active.append(row)
    for i in range(12):
        volume(f"disc{1 + i % 2}/OAS1_{i:04d}_MR1/PROCESSED/OAS1_{i:04d}_MR1_mpr.nii.gz", i)
        book.active.append((f"OAS1_{i:04d}_MR1", "MF"[i % 2], 20 + 2 * i, (0, 0.5)[i // 2 % 2]))
    book.save("raw/oasis.xlsx")


def ids_as_numbers() -> None:
    for i in range(12):
        volume(f"T1/IXI{2 + 3 * i:03d}-{('Guys', 'HH')[i % 2]}-{700 + i}-T1.nii.gz", i)
    table(
        "IXI.csv", "IXI_ID,SEX,WEIGHT,AGE", [(2 + 3 * i, 1 + i % 2, 60 + i, f"{35 + i * 1.2:.2f}") for i in range(12)]
    )


def chexpert() -> None:
    findings = "No Finding,Cardiomegaly,Edema,Support Devices"
    for side, numbers in (("train", range(48)), ("valid", range(48, 60))):
        rows = []
        for i in numbers:
            path = f"{side}/patient{i // 2:05d}/study1/view{i % 2}_frontal.png"
            picture(path, i)
            cells = [("1.0", "", "0.0", "-1.0")[(i * k) % 4] for k in (1, 3, 5, 7)]
            rows.append((f"CheXpert-v1.0-small/{path}", "FM"[i % 2], 40 + i % 30, *cells))
        table(f"{side}.csv", f"Path,Sex,Age,{findings}", rows)


def one_hot_and_metadata() -> None:
    for i in range(48):
        picture(f"input/ISIC_{i:05d}.png", i)
    truth = [(f"ISIC_{i:05d}", *(float(i % 3 == k) for k in range(3))) for i in range(48)]
    table("GroundTruth.csv", "image,MEL,NV,BCC", truth)
    table(
        "Metadata.csv", "image,age_approx,lesion_id", [(f"ISIC_{i:05d}", 50 + i % 9, f"L{i // 2}") for i in range(48)]
    )


def lesions() -> None:
    for i in range(48):
        picture(f"part_{1 + i % 2}/ISIC_{i:05d}.png", i)
    rows = [(f"HAM_{i // 2:04d}", f"ISIC_{i:05d}", ("bkl", "nv", "mel")[i // 2 % 3], "FM"[i % 2]) for i in range(48)]
    table("meta.csv", "lesion_id,image_id,dx,sex", rows)


def eyes() -> None:
    for i in range(24):
        for side in ("left", "right"):
            picture(f"train/{10 + i}_{side}.png", 2 * i + (side == "left"))
    rows = [(f"{10 + i}_{side}", (i + (side == "left")) % 3) for i in range(24) for side in ("left", "right")]
    table("trainLabels.csv", "image,level", rows)


def columns_of_eyes() -> None:
    for i in range(24):
        for side in "LR":
            picture(f"images/{i:03d}_{side}.png", 2 * i + (side == "R"))
    rows = [(i, f"{i:03d}_L.png", f"{i:03d}_R.png", ("amd", "normal")[i % 2]) for i in range(24)]
    table("eyes.csv", "ID,left_image,right_image,diagnosis", rows)


def boxes() -> None:
    for i in range(30):
        picture(f"stage_2/u{i:04d}x.png", i)
    rows = [(f"u{i:04d}x", b, i % 2) for i in range(30) for b in range(1 + i % 2)]
    table("labels.csv", "patientId,x,Target", rows)


def studies_without_header() -> None:
    for side, numbers in (("train", range(48)), ("valid", range(48, 64))):
        rows = []
        for i in numbers:
            study = f"M/{side}/patient{i // 4:05d}/study1_{('negative', 'positive')[i // 4 % 2]}/"
            picture(f"{study}image{i % 4}.png", i)
            rows.append((study, i // 4 % 2))
        Path(f"raw/M/{side}_studies.csv").write_text("".join(f"{s},{n}\n" for s, n in dict.fromkeys(rows)))


def two_tables() -> None:
    for i in range(48):
        picture(f"images/img_{i:03d}.png", i)
    rows = [(f"img_{i:03d}.png", f"P{i // 2:03d}", ("edema", "normal")[i // 2 % 2]) for i in range(48)]
    table("labels.csv", "image,patient_id,diagnosis", rows)
    table("demographics.csv", "patient_id,sex,age", [(f"P{i:03d}", "FMM"[i % 3], 40 + i % 11) for i in range(24)])


def windows_paths() -> None:
    for i in range(48):
        picture(f"images/P{i // 4:02d}/img_{i % 4}.png", i)
    rows = [(f"D:\\export\\P{i // 4:02d}\\img_{i % 4}.png", i, ("edema", "normal")[i // 4 % 2]) for i in range(48)]
    table("labels.csv", "filepath,age,label", rows)


def names_of_numbers() -> None:
    for i in range(8):
        volume(f"Batch 1/volume-{i}.nii.gz", i)
        volume(f"Batch 1/segmentation-{i}.nii.gz", i, labels=True)


def folder_a_case() -> None:
    for i in range(8):
        volume(f"case_{i:05d}/imaging.nii.gz", i)
        volume(f"case_{i:05d}/segmentation.nii.gz", i, labels=True)


def folders_of_no_meaning() -> None:
    for i in range(12):
        picture(f"x/{i}.png", i)
        mask(f"y/{i}.png", i)


def left_and_right_masks() -> None:
    for i in range(12):
        picture(f"CXR_png/MCU_{i:04d}.png", i)
        for side in ("leftMask", "rightMask"):
            drawn = np.zeros((16, 16), np.uint8)
            drawn[2:14, slice(1, 7) if side == "leftMask" else slice(9, 15)] = 255
            path = Path(f"raw/ManualMask/{side}/MCU_{i:04d}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            io.write_png(path, drawn)


def many_masks_an_image() -> None:
    for i in range(12):
        picture(f"train/{i * 7919:08x}/images/{i * 7919:08x}.png", i)
        for k in range(3):
            mask(f"train/{i * 7919:08x}/masks/{i * 31 + k + 999:08x}.png", 3 * i + k)


def numbered_masks_of_lesions() -> None:
    for i in range(12):
        kind = ("benign", "malignant")[i % 2]  # BUSI has a folder of each
        picture(f"{kind}/{kind} ({i}).png", i)
        for k in range(1 + (i % 3 == 0)):
            drawn = np.zeros((16, 16), np.uint8)
            drawn[2 + 8 * k : 6 + 8 * k, 3 : 4 + i % 9] = 255
            io.write_png(Path(f"raw/{kind}/{kind} ({i})_mask{f'_{k}' if k else ''}.png"), drawn)


def numbered_cells() -> None:
    for i in range(12):
        picture(f"images/slide_{i:02d}.png", i)
        cells = np.zeros((32, 32), np.uint8)
        for k in range(6 + i):
            cells[4 * (k // 6) : 4 * (k // 6) + 3, 5 * (k % 6) : 5 * (k % 6) + 4] = k + 1
        Path("raw/masks").mkdir(parents=True, exist_ok=True)
        io.write_png(Path(f"raw/masks/slide_{i:02d}.png"), cells)


def longer_names_of_classes() -> None:
    for i in range(48):
        side, kind = ("train", "train", "valid", "test")[i % 4], ("normal", "cancer")[i // 4 % 2]
        longer = f"{kind}_left_T2" if kind == "cancer" and side != "test" else kind
        picture(f"{side}/{longer}/{i}.png", i)


def ids_in_headers() -> None:
    rows = []
    for i in range(24):
        path = Path(f"raw/dicom/{i // 10:02d}/IMG{i:05d}")
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 4000, (16, 16)).astype(np.uint16)
        tags = {"AccessionNumber": f"A{5000 + i}"}
        io.write_dicom_image(path, pixels, patient_id=f"7000{i // 2}", seed=str(i), tags=tags)
        rows.append((f"A{5000 + i}", 900 + i // 2, f"{40 + 0.6 * i:.1f}"))
    table("export.csv", "Accession Number,MRN,EF (%)", rows)


def html_named_xls() -> None:
    rows = []
    for i in range(24):
        picture(f"Bilder/{1000 + i}.png", i)
        rows.append(f"<tr><td>{1000 + i}<td>{500 + i // 2}<td>{('unauffällig', 'Erguss')[i // 2 % 2]}</tr>")
    head = "<tr><td colspan=3>Befundliste</td></tr><tr><th>Bildnr<th>Fallnummer<th>Befund</tr>"
    text = f"<html><meta charset=windows-1252><table>{head}{''.join(rows)}</table></html>"
    Path("raw/Export.xls").write_text(text, encoding="cp1252")


def second_sheet() -> None:
    book = openpyxl.Workbook()
    for row in (("Code", "Bedeutung"), (0, "nein"), (1, "ja")):
        book.active.append(row)
    sheet = book.create_sheet("Daten")
    sheet.append(("Bild", "Pat_ID", "Befund"))
    for i in range(24):
        picture(f"images/img_{i:03d}.png", i)
        sheet.append((f"img_{i:03d}.png", 1000 + i // 2, i // 2 % 2))
    book.save("raw/daten.xlsx")


def heading_over_two_rows() -> None:
    book = openpyxl.Workbook()
    book.active.append(("Image", "Patient", "Clinical", None, "Imaging", None))
    book.active.append((None, None, "Age", "Sex", "LVEF", "Grade"))
    book.active.merge_cells("C1:D1")
    for i in range(24):
        picture(f"images/img_{i:03d}.png", i)
        book.active.append((f"img_{i:03d}.png", f"P{i // 2}", 40 + i % 9, "MF"[i % 2], 40.5 + i, i // 2 % 3))
    book.save("raw/data.xlsx")


def lists_with_blanks() -> None:
    for i in range(48):
        picture(f"images/img_{i:03d}.png", i)
    for side, numbers in (("train", range(36)), ("test", range(36, 48))):
        Path(f"raw/{side}.txt").write_text("".join(f"images/img_{i:03d}.png {i % 2}\n" for i in numbers))


@dataclass(frozen=True)
class Expected:
    """What a layout is.

    Attributes:
        samples: number of records.
        subjects: number of subjects.
        task: name of the task, "" for none.
        target: target → value of the first sample; () where it does not matter.
        sides: partitions that are read.
        channels: files of a sample.
        masks: samples have masks.
        classes: of the task.
    """

    samples: int
    subjects: int
    task: str = "classification"
    classes: set[str] = field(default_factory=set)
    sides: set[str | None] = field(default_factory=lambda: {None})
    channels: int = 1
    masks: bool = False


OFFICIAL: set[str | None] = {"train", "validation"}


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (kermany, Expected(48, 36, classes={"NORMAL", "PNEUMONIA"}, sides={"train", "test"})),
        (class_and_patient, Expected(48, 12, classes={"benign", "malignant"})),
        (patient_and_class, Expected(60, 10, classes={"0", "1"})),
        (site_and_class, Expected(48, 48, classes={"normal", "tumour"})),
        (classes_with_masks, Expected(23, 23, "segmentation", masks=True)),
        (readers_by_ending, Expected(16, 8, "segmentation", masks=True)),
        (folder_named_seg, Expected(12, 12, "segmentation", masks=True)),
        (lambda: nnunet(1), Expected(8, 8, "segmentation", masks=True)),
        (lambda: nnunet(2), Expected(8, 8, "segmentation", masks=True, channels=2)),
        (lambda: nnunet(2, ".nrrd"), Expected(8, 8, "segmentation", masks=True, channels=2)),
        (lambda: nnunet(1, ".mha"), Expected(8, 8, "segmentation", masks=True)),
        (lambda: nnunet(1, ".mhd"), Expected(8, 8, "segmentation", masks=True)),
        (luna, Expected(12, 12, classes={"benign", "malignant"})),
        (lambda: slicer(False), Expected(8, 8, "segmentation", masks=True)),
        (lambda: slicer(True), Expected(8, 8, "segmentation", masks=True)),
        (brats, Expected(8, 8, "segmentation", masks=True, channels=4)),
        (views_with_masks, Expected(12, 6, "segmentation", masks=True)),
        (bids, Expected(18, 12, classes={"control", "patient"})),
        (titled_sheet_of_folders, Expected(12, 12, classes={"0", "0.5"})),
        (ids_as_numbers, Expected(12, 12, "regression")),
        (chexpert, Expected(60, 30, "multilabel", sides=OFFICIAL)),
        (one_hot_and_metadata, Expected(48, 24, classes={"MEL", "NV", "BCC"})),
        (lesions, Expected(48, 24, classes={"bkl", "nv", "mel"})),
        (eyes, Expected(48, 24, classes={"0", "1", "2"})),
        (columns_of_eyes, Expected(48, 24, classes={"amd", "normal"})),
        (boxes, Expected(30, 30, classes={"0", "1"})),
        (studies_without_header, Expected(64, 16, classes={"0", "1"}, sides=OFFICIAL)),
        (two_tables, Expected(48, 24, classes={"edema", "normal"})),
        (windows_paths, Expected(48, 12, classes={"edema", "normal"})),
        (names_of_numbers, Expected(8, 8, "segmentation", masks=True)),
        (folder_a_case, Expected(8, 8, "segmentation", masks=True)),
        (folders_of_no_meaning, Expected(12, 12, "segmentation", masks=True)),
        (left_and_right_masks, Expected(12, 12, "segmentation", masks=True)),
        (many_masks_an_image, Expected(12, 12, "segmentation", masks=True)),
        (numbered_masks_of_lesions, Expected(12, 12, "segmentation", masks=True)),
        (numbered_cells, Expected(12, 12, "segmentation", masks=True)),
        (longer_names_of_classes, Expected(48, 48, classes={"normal", "cancer"}, sides={*OFFICIAL, "test"})),
        (ids_in_headers, Expected(24, 12, "regression")),
        (html_named_xls, Expected(24, 12, classes={"unauffällig", "Erguss"})),
        (second_sheet, Expected(24, 12, classes={"0", "1"})),
        (heading_over_two_rows, Expected(24, 12, "regression")),
        (lists_with_blanks, Expected(48, 48, classes={"0", "1"}, sides={"train", "test"})),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_layout(home: Path, make: Callable[[], None], expected: Expected) -> None:
    make()
    params, records = read(propose(Path("raw")))
    assert len(records) == expected.samples
    assert len({record.subject_id for record in records}) == expected.subjects
    assert {record.split for record in records} == expected.sides
    assert all(path.exists() for record in records for path in (*record.files, *record.masks))
    assert {len(record.files) for record in records} == {expected.channels}
    assert {bool(record.masks) for record in records} == {expected.masks}
    files = [file for record in records for file in record.files]
    assert len(set(files)) == len(files)
    assert not set(files) & {file for record in records for file in record.masks}
    assert [block.task.name for block in params.experiments.values()] == ([expected.task] if expected.task else [])
    if expected.classes:
        assert {next(iter(record.targets.values())) for record in records} == expected.classes


def read(proposed: Proposed):
    """The settings and the records of the one data set, its table written."""
    for path, source in proposed.tables.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source.written())
    params = parse({"experiments": {}, **proposed.blocks})
    ((name, dataset),) = params.datasets.items()
    records = cohort.load(dataset, Path())
    side = {r.subject_id: r.split for r in records}
    assert all(side[r.subject_id] == r.split for r in records), name
    return params, records


def test_masks_that_do_not_overlap_are_classes_and_not_readers(home):
    left_and_right_masks()
    params, records = read(propose(Path("raw")))
    assert params.experiments["raw"].task.classes == ("background", "left", "right")
    assert all(len(record.masks) == 2 and not record.rater_masks for record in records)


@pytest.mark.parametrize("packed", [False, True])
def test_segments_of_slicer_are_classes_by_their_names(home, packed):
    for i in range(8):
        volume(f"p{i:02d}/scan.nrrd", i)
        labels = np.random.default_rng(i).integers(0, 3, (16, 16, 16)).astype(np.uint8)
        names = [("Liver", 0, 1), ("Left Kidney", 0, 2)] if i % 2 else [("Left Kidney", 0, 1), ("Liver", 0, 2)]
        write_segments(Path(f"raw/p{i:02d}/scan.seg.nrrd"), labels, np.diag([-1, -1, 1, 1]), names)
    for path in list(Path("raw").rglob("*.nrrd")) if packed else []:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    params, records = read(propose(Path("raw")))
    classes = params.experiments["raw"].task.classes
    assert sorted(classes[1:]) == ["Left Kidney", "Liver"]
    assert params.inputs["raw"].mask_values == {name: n for n, name in enumerate(classes) if n}
    assert all(record.masks for record in records)


@pytest.mark.parametrize("make", [many_masks_an_image, numbered_masks_of_lesions, numbered_cells])
def test_masks_of_instances_are_one_class(home, make):
    make()
    params, records = read(propose(Path("raw")))
    assert params.experiments["raw"].task.classes == ("background", "foreground")
    assert params.inputs["raw"].mask_instances
    files = {"many_masks_an_image": 36, "numbered_masks_of_lesions": 16, "numbered_cells": 12}[make.__name__]
    assert len({path for record in records for path in record.masks}) == files


def test_labels_of_a_data_sets_description_are_the_classes(home):
    nnunet(2)
    params, _ = read(propose(Path("raw")))
    assert params.experiments["raw"].task.classes == ("background", "PZ", "TZ")


def test_files_of_one_dicom_patient_are_one_subject(home):
    for i in range(24):
        folder = Path("raw", ("healthy", "sick")[i % 2])
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 4000, (16, 16)).astype(np.uint16)
        io.write_dicom_image(folder / f"IM{i:04d}", pixels, patient_id=f"P{i // 4}", seed=str(i))
    proposed = propose(Path("raw"))
    _, records = read(proposed)
    assert len(records) == 24
    assert len({record.subject_id for record in records}) == 6
    written = next(iter(proposed.tables.values())).written()
    assert "P1" not in written  # digests, not the patients' ids


def test_volumes_of_one_slice_are_images(home):
    for i in range(8):
        for name, labels in ((f"p{i:04d}_ED", False), (f"p{i:04d}_ED_gt", True)):
            values = np.random.default_rng(i).random((20, 16, 1), np.float32)
            Path("raw").mkdir(exist_ok=True)
            io.write_nifti(Path(f"raw/{name}.nii.gz"), io.Volume(np.floor(values * 3) if labels else values, np.eye(4)))
    params, records = read(propose(Path("raw")))
    assert params.inputs["raw"].modality == "image"
    assert len(io.read_extent(records[0].files[0]).shape) == 2
    assert tuple(io.read(records[0].files[0]).array.shape[1:]) == io.read_extent(records[0].files[0]).shape
