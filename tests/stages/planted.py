"""Three cohorts full of names, dates and ids in every place that a hospital's files have for them; and a search."""

from __future__ import annotations

import base64
import csv
import gzip
import io as streams
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pydicom
from PIL import Image, PngImagePlugin

from scantune import io

#: What must be found nowhere. Each stands in one kind of place alone, so that a leak says where it comes from.
SECRETS = {
    "patient's name": "Quuxworth",
    "patient's id": "MRN7741903",
    "birth date": "19431207",
    "study date": "20190314",
    "institution": "Hollowmere",
    "physician": "Grimbald",
    "accession number": "ACC55102",
    "private item": "Privatissima",
    "series description": "Zebedeedescr",
    "station": "STATIONQX9",
    "UID with a date": "1.2.826.0.1.3680043.99.20170421",
    "root folder": "wardofquill",
    "folder name": "Folderson",
    "file name": "Filemanova",
    "table's name column": "Tabletown",
    "table's phone column": "0555-778-1123",
    "table's exam date": "2019-03-",
    "still's metadata": "Metadatova",
    "NIfTI header": "Niftison",
    "text in pixels": "PIXELSON",
}
CLASSES = ("good", "poor")


def _filled(path: Path, number: int) -> None:
    """Every item of a DICOM header that identifies, filled in."""
    dataset = pydicom.dcmread(path)
    dataset.PatientName = SECRETS["patient's name"] + "^Ann"
    dataset.PatientID = SECRETS["patient's id"]
    dataset.PatientBirthDate = SECRETS["birth date"]
    dataset.PatientAge = "093Y"
    for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(dataset, keyword, SECRETS["study date"])
    dataset.AcquisitionDateTime = SECRETS["study date"] + "101010"
    dataset.InstitutionName = dataset.InstitutionalDepartmentName = SECRETS["institution"] + " Clinic"
    dataset.Manufacturer = SECRETS["institution"] + " imaging"
    dataset.ReferringPhysicianName = dataset.OperatorsName = SECRETS["physician"] + "^Bo"
    dataset.AccessionNumber = SECRETS["accession number"]
    dataset.StationName = SECRETS["station"]
    dataset.SeriesDescription = dataset.StudyDescription = f"echo {SECRETS['series description']}"
    dataset.ProtocolName = dataset.ImageComments = f"for {SECRETS['series description']}"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", SECRETS["series description"].upper()[:16]]
    block = dataset.private_block(0x0011, "ACME", create=True)
    block.add_new(1, "LO", SECRETS["private item"])
    item = pydicom.Dataset()
    item.ScheduledPerformingPhysicianName = SECRETS["physician"]
    dataset.RequestAttributesSequence = [item]
    dataset.StudyInstanceUID = f"{SECRETS['UID with a date']}.{number}"
    dataset.SeriesInstanceUID = f"{SECRETS['UID with a date']}.{number}.1"
    dataset.FrameOfReferenceUID = f"{SECRETS['UID with a date']}.{number}.9"
    with path.open("r+b") as file:
        file.truncate()
        dataset.save_as(file)


def _place(root: Path, number: int, ending: str) -> Path:
    path = root / f"{SECRETS['folder name']}_{number % 4}" / f"{SECRETS['file name']}_{number}{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _table(root: Path, rows: list[dict[str, object]]) -> None:
    """The table, with a row for a file that cannot be read."""
    broken = _place(root, len(rows), ".dcm")
    broken.write_bytes(b"\0" * 128 + b"DICM" + SECRETS["patient's name"].encode() * 9)
    rows.append({**rows[0], "file": broken.relative_to(root).as_posix(), "person": "broken"})
    for number, row in enumerate(rows):
        row |= {"patient_name": SECRETS["table's name column"] + ", Jo", "phone": SECRETS["table's phone column"]}
        row |= {"birth_date": f"1943-12-{number % 27 + 1:02d}", "age": 93 if number == 0 else 40 + number}
        row |= {"exam": SECRETS["table's exam date"] + f"{number % 27 + 1:02d}"}
    with (root / "cohort.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def films(root: Path, n: int) -> None:
    """Stills with a name burned in: DICOM, PNG with a comment, JPEG with EXIF."""
    rng, rows = np.random.default_rng(1), []
    for number in range(n):
        poor = number % 2
        picture = cv2.GaussianBlur(rng.integers(20, 120, (120, 160)).astype(np.float32), (0, 0), 3 + 4 * poor)
        picture = np.rint(picture).clip(0, 140).astype(np.uint8)
        cv2.putText(picture, SECRETS["text in pixels"], (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
        ending = (".dcm", ".png", ".jpg")[number % 3]
        path = _place(root, number, ending)
        if ending == ".dcm":
            io.write_dicom_image(path, picture, patient_id="x", seed=f"film{number}", modality="CR")
            _filled(path, number)
        elif ending == ".png":
            words = PngImagePlugin.PngInfo()
            words.add_text("Author", SECRETS["still's metadata"])
            words.add_itxt("Comment", SECRETS["still's metadata"], zip=True)
            Image.fromarray(picture).save(path, pnginfo=words)
        else:
            exif = Image.Exif()
            exif[0x013B] = SECRETS["still's metadata"]
            Image.fromarray(picture).save(path, quality=95, exif=exif)
        rows.append({"file": path.relative_to(root).as_posix(), "person": f"p{number}", "label": CLASSES[poor]})
    _table(root, rows)


def loops(root: Path, n: int) -> None:
    """Loops of a moving sector with a name beside it: DICOM and AVI."""
    rng, rows = np.random.default_rng(2), []
    sector = np.zeros((120, 160), np.uint8)
    cv2.ellipse(sector, (80, 25), (90, 90), 90, -40, 40, 1, -1)
    y, x = np.mgrid[0:120, 0:160]
    for number in range(n):
        poor, frames = number % 2, []
        for t in range(6):
            wall = 90 + (70 - 40 * poor) * np.sin(np.hypot(x - 80, y - 25) / 6 + t)
            frame = ((wall + rng.integers(0, 50, (120, 160))) * sector).clip(0, 255).astype(np.uint8)
            cv2.putText(frame, SECRETS["text in pixels"], (2, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 255, 1)
            frames.append(frame)
        path = _place(root, number, ".avi" if number % 3 == 2 else ".dcm")
        if path.suffix == ".dcm":
            io.write_cine(path, np.stack(frames), patient_id="x", seed=f"loop{number}")
            _filled(path, number)
        else:
            io.write_video(path, np.stack(frames))
        rows.append({"file": path.relative_to(root).as_posix(), "person": f"p{number}", "label": CLASSES[poor]})
    _table(root, rows)


def scans(root: Path, n: int) -> None:
    """Volumes: DICOM series, and NIfTI with words in its header and an extension."""
    rng, rows = np.random.default_rng(3), []
    for number in range(n):
        score = number % 5
        values = cv2.GaussianBlur(rng.normal(300, 80, (16, 16, 8)).astype(np.float32), (0, 0), 1 + score / 2)
        values = np.rint(values.transpose(2, 0, 1))
        if number % 2:
            path = _place(root, number, ".nii.gz")
            image = nibabel.Nifti1Image(values.transpose(2, 1, 0), np.diag([2.0, 2.0, 3.0, 1.0]))
            for field in ("descrip", "aux_file", "db_name"):
                image.header[field] = SECRETS["NIfTI header"]
            image.header.extensions.append(nibabel.nifti1.Nifti1Extension(6, SECRETS["NIfTI header"].encode() * 2))
            nibabel.save(image, path)
        else:
            path = _place(root, number, "")
            volume = io.Volume(values, np.diag([2.0, 2.0, 3.0, 1.0]))
            for file in io.write_dicom_series(path, volume, patient_id="x", seed=f"scan{number}"):
                _filled(file, number)
        rows.append({"file": path.relative_to(root).as_posix(), "person": f"p{number}", "score": score})
    _table(root, rows)


#: Grey 0 … 256 to 0 … 1, whatever an image holds: what is left of a letter stays bright.
_WINDOW = {"name": "window", "center": 128, "width": 256}
COHORTS = {"films": films, "loops": loops, "scans": scans}


def params(roots: Path) -> dict:
    """A project on the three cohorts, each with a model of a kind of its own."""
    dataset = {
        "table": "cohort.csv", "files": "{file}", "subject": "person", "order": "exam", "groups": {"age": "age"},
        "split": {"fractions": [0.5, 0.25, 0.25]}, "max_excluded_fraction": 0.2,
    }  # fmt: skip
    prepare = {
        "films": {"modality": "image", "mask_text": True, "shape": [48, 64], "intensity": _WINDOW},
        "loops": {"modality": "video", "sector": True, "frames": 4, "shape": [48, 64]},
        "scans": {"modality": "volume"},
    }
    task = {"name": "classification", "target": "label"}
    tasks = {"films": task, "loops": task, "scans": {"name": "regression", "target": "score", "range": [0, 34]}}
    train = {"epochs": 1, "batch_size": 4, "learning_rate": 0.003, "precision": "32"}
    settings: dict = {"quick": [], "datasets": {}, "inputs": {}, "experiments": {}}
    for name in COHORTS:
        root = str(roots / name)
        target = tasks[name]["target"]
        settings["datasets"][name] = dataset | {"root": root, "watch": root, "targets": {target: target}}
        settings["inputs"][name] = {"dataset": name, "workers": 1, "backend": "threads"} | prepare[name]
        settings["experiments"][name] = {
            "dataset": name, "input": name, "task": tasks[name], "model": {"backbone": "small_cnn"},
            "train": train, "evaluate": {"draws": 200}, "register": {},
        }  # fmt: skip
    return settings


def found_in(home: Path, *, apart_from: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Secrets that a folder's files hold, whatever they are packed in: file to kinds of secret."""
    leaks = {}
    for path in sorted(p for p in home.rglob("*") if p.is_file() or p.is_symlink()):
        name = path.relative_to(home).as_posix()
        if any(name == known or name.startswith(f"{known}/") for known in apart_from):
            continue
        layers = [name.encode(), *unpacked(path.read_bytes(), path)]
        text = b"\n".join(layers).lower()
        kinds = [kind for kind, secret in SECRETS.items() if secret.lower().encode() in text]
        if kinds:
            leaks[name] = kinds
    return leaks


def unpacked(content: bytes, path: Path | None = None, depth: int = 0) -> Iterator[bytes]:
    """The bytes themselves, and all that is compressed or encoded in them."""
    yield content
    if depth > 4:
        return
    if content[:15] == b"SQLite format 3" and path is not None:
        connection = sqlite3.connect(path)
        yield "\n".join(connection.iterdump()).encode()  # rows whole: in the file long ones lie in pieces
        connection.close()
    if content[:2] == b"PK":
        with zipfile.ZipFile(streams.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield from unpacked(archive.read(name), None, depth + 1)
    if content[:2] == b"\x1f\x8b":
        yield from unpacked(gzip.decompress(content), None, depth + 1)
    if content[:8] == b"\x89PNG\r\n\x1a\n" or content[:2] == b"\xff\xd8":
        with Image.open(streams.BytesIO(content)) as picture:
            yield repr((picture.info, dict(picture.getexif()))).encode()
    if content[:4] == b"%PDF":
        for stream in re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL):
            try:
                yield zlib.decompress(stream)
            except zlib.error:
                continue
    for encoded in re.findall(rb"base64,([A-Za-z0-9+/=\s]{40,})", content):
        yield from unpacked(base64.b64decode(re.sub(rb"\s", b"", encoded)), None, depth + 1)
