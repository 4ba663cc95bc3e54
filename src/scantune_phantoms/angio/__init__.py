"""Coronary angiograms: vessel trees on a beating heart seen by a C-arm, with masks. Synthetic, and says so.

``write`` makes frames as DICOM XA with PNG masks and a table, the same frames in ARCADE's layout, or small volumes of
CT angiography with masks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from scantune import io
from scantune.records import ScantuneError
from scantune_phantoms.angio import arcade
from scantune_phantoms.angio.detector import SCANNERS
from scantune_phantoms.angio.frame import Frame, make_frame
from scantune_phantoms.angio.subjects import Subject, draw_subject
from scantune_phantoms.angio.volume import make_volume
from scantune_phantoms.cohort import (
    SYNTHETIC,
    Cohort,
    choice,
    generator,
    side_by_side,
    write_readme,
    write_table,
)

_README = """
Synthetic coronary angiograms made by scantune: nobody's arteries, not for diagnosis.

Trees of coronary arteries run along the grooves of an ellipsoidal heart and are projected by a C-arm: tapering,
winding, overlapping, some narrowed. The picture has the catheter, ribs, spine, diaphragm, heart and lungs, scatter,
quantum noise and the vendor's processing. `images/*.dcm` are 8-bit DICOM XA, `masks/*.png` what a reader marks as
filled vessel (255; the catheter is not marked, nor are the thinnest and faintest twigs).

| column | |
| --- | --- |
| sample_id, file, mask | one frame |
| subject | frames of one person share it |
| artery | LCA or RCA |
| view | LAO (detector at the patient's left) or RAO; the angles follow in degrees, left and cranial positive |
| stenosis | greatest narrowing of the artery shown, percent of the diameter |
| severe | 1 where that is 50 or more |
| sex, age, site, scanner | of the person; site a has a flat panel and an image intensifier, site b another flat panel |
"""
_README_3D = """
Synthetic CT coronary angiographies made by scantune: nobody's arteries, not for diagnosis.

`images/*.nii.gz` are the hearts of the cohort `angio` as volumes in Hounsfield units, both arteries filled;
`masks/*.nii.gz` is 1 in its vessels. Columns as in the cohort of frames, without view and angles.
"""


def write(
    out_dir: Path,
    *,
    seed: int = 0,
    workers: int = 1,
    n: int = 150,
    site: str = "a",
    confounder: bool = False,
    layout: str = "table",
    edge: int = 256,
    ndim: int = 2,
    unusable: bool = True,
) -> Cohort:
    """Write the cohort.

    Args:
        out_dir: the folder to fill.
        seed: of every draw.
        workers: processes that make frames side by side; no effect on what is written.
        n: subjects, each with one to three frames (a volume each where ``ndim`` is 3).
        site: "a", or "b": other people, another machine with more noise and less contrast.
        confounder: who has a severe stenosis is filmed in the room that leaves its lead letters in the frame.
        layout: "table" (``images/``, ``masks/``, ``cohort.csv``) or "arcade" (the folders and COCO files of ARCADE).
        edge: pixels along each edge of a frame, voxels along each edge of a volume.
        ndim: 2 for frames, 3 for volumes.
        unusable: break a few files, as in real life: a mask of another size, a file cut short, an empty mask.

    Raises:
        ScantuneError: an option out of range.
    """
    choice("site", site, ("a", "b"))
    choice("layout", layout, ("table", "arcade"))
    choice("ndim", str(ndim), ("2", "3"))
    if n < 1 or not 48 <= edge <= 1024:
        raise ScantuneError(f"n: {n}, edge: {edge}; at least 1 subject and from 48 to 1024 pixels are needed")
    scanners = tuple(name for name, scanner in SCANNERS.items() if scanner.site == site)
    subjects = [
        draw_subject(generator(seed, "angio", site, number, "subject"), number, scanners, confounder=confounder)
        for number in range(1, n + 1)
    ]
    if ndim == 3:
        jobs = [(out_dir, seed, site, subject, min(edge, 128)) for subject in subjects]
        rows = side_by_side(_write_volume, jobs, workers)
        write_readme(out_dir, "CT coronary angiographies (synthetic)", _README_3D)
        return Cohort("angio", out_dir, write_table(out_dir / "cohort.csv", rows), len(rows), n)
    if layout == "arcade":
        count = arcade.write(out_dir, seed, site, subjects, size=edge, confounder=confounder, workers=workers)
        write_readme(out_dir, "Coronary angiograms in ARCADE's layout (synthetic)", arcade.README)
        return Cohort("angio", out_dir, None, count, n)
    shots = [(subject, number) for subject in subjects for number in range(len(subject.shots))]
    broken = _broken(seed, site, len(shots)) if unusable else {}
    frames = [
        (out_dir, seed, site, subject, number, edge, confounder, broken.get(index))
        for index, (subject, number) in enumerate(shots)
    ]
    rows = side_by_side(_write_frame, frames, workers)
    write_readme(out_dir, "Coronary angiograms (synthetic)", _README)
    table = write_table(out_dir / "cohort.csv", rows)
    known = {str(rows[index]["sample_id"]): what for index, what in broken.items()}
    return Cohort("angio", out_dir, table, len(rows), n, known)


_FAULTS = ("mask of another size", "file cut short", "empty mask")


def _broken(seed: int, site: str, count: int) -> dict[int, str]:
    """Number of a frame to what is wrong with it: one in forty, each fault at least once from 30 frames on."""
    each = max(1, round(count / 120)) if count >= 30 else 0
    places = generator(seed, "angio", site, "broken").permutation(count)[: each * len(_FAULTS)]
    return {int(place): _FAULTS[number % len(_FAULTS)] for number, place in enumerate(places)}


def _write_frame(
    out_dir: Path, seed: int, site: str, subject: Subject, number: int, size: int, confounder: bool, fault: str | None
) -> Mapping[str, object]:
    frame = make_frame(seed, site, subject, number, size=size, confounder=confounder)
    shot, scanner = subject.shots[number], SCANNERS[subject.scanner]
    sample_id = f"angio-{site}{subject.number:04d}-{number + 1}"
    path = io.write_dicom_image(
        out_dir / "images" / f"{sample_id}.dcm",
        frame.pixels,
        patient_id=f"ANGIO-{site.upper()}{subject.number:04d}",
        seed=f"angio {seed} {sample_id}",
        modality="XA",
        spacing=(1.4 * 10 * scanner.pixel * 256 / size,) * 2,
        tags={
            "PatientSex": subject.sex,
            "Manufacturer": scanner.vendor,
            "ManufacturerModelName": scanner.model,
            "PositionerPrimaryAngle": f"{shot.primary:.1f}",
            "PositionerSecondaryAngle": f"{shot.secondary:.1f}",
            "PixelIntensityRelationship": "DISP",
            "RadiationSetting": "GR",
            "ImageComments": SYNTHETIC,
        },
    )
    mask = np.where(frame.mask, 255, 0).astype(np.uint8)
    if fault == "mask of another size":
        mask = mask[: size - size // 8]
    if fault == "empty mask":
        mask = np.zeros_like(mask)
    io.write_png(out_dir / "masks" / f"{sample_id}.png", mask)
    if fault == "file cut short":
        content = path.read_bytes()
        path.write_bytes(content[: int(0.6 * len(content))])
    return _row(sample_id, subject, site, frame.stenosis, shot.artery, ("dcm", "png")) | {
        "view": shot.view,
        "primary_angle": f"{shot.primary:.1f}",
        "secondary_angle": f"{shot.secondary:.1f}",
    }


def _write_volume(out_dir: Path, seed: int, site: str, subject: Subject, size: int) -> Mapping[str, object]:
    made = make_volume(seed, site, subject, size=size)
    sample_id = f"angio3d-{site}{subject.number:04d}"
    io.write_nifti(out_dir / "images" / f"{sample_id}.nii.gz", made.volume, dtype="int16", description=SYNTHETIC)
    io.write_nifti(out_dir / "masks" / f"{sample_id}.nii.gz", made.mask, dtype="uint8", description=SYNTHETIC)
    return _row(sample_id, subject, site, made.stenosis, "both", ("nii.gz", "nii.gz"))


def _row(
    sample_id: str, subject: Subject, site: str, stenosis: float, artery: str, kinds: tuple[str, str]
) -> dict[str, object]:
    return {
        "sample_id": sample_id,
        "file": f"images/{sample_id}.{kinds[0]}",
        "mask": f"masks/{sample_id}.{kinds[1]}",
        "subject": f"{site}{subject.number:04d}",
        "artery": artery,
        "stenosis": round(100 * stenosis),
        "severe": int(stenosis >= 0.5),
        "sex": subject.sex,
        "age": subject.age,
        "site": site,
        "scanner": subject.scanner,
    }


__all__ = ["Frame", "make_frame", "write"]
