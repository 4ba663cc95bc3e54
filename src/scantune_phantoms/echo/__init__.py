"""Apical four-chamber cine loops of graded image quality. Synthetic, and says so.

``write`` makes loops as DICOM ultrasound with a table of quality scores, or in EchoNet-Dynamic's layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from scantune import io
from scantune.records import ScantuneError
from scantune_phantoms.cohort import (
    SYNTHETIC,
    Cohort,
    choice,
    generator,
    side_by_side,
    write_readme,
    write_table,
)
from scantune_phantoms.echo import echonet
from scantune_phantoms.echo.loop import Cine, make_loop
from scantune_phantoms.echo.scanner import SCANNERS, Scanner
from scantune_phantoms.echo.screen import Screen
from scantune_phantoms.echo.spoil import Faults, quality, read
from scantune_phantoms.echo.subjects import Subject, draw_subject
from scantune_phantoms.echo.unusable import after_writing, before_writing, choose

#: From this score on, both readers' mean, a loop is good enough to measure on.
GOOD = 0.5

_README = """
Synthetic echocardiograms made by scantune: nobody's heart, not for diagnosis.

A heart of four chambers, septa, valves and muscle beats under a probe. Its grain of scatterers moves with the tissue,
passes a point spread in polar coordinates, is compressed and converted to the screen of one of two machines (a third
at site b), with a fictitious name, an ECG and scales outside the sector. Loops are spoiled by dropout, rib shadow,
reverberation, haze, lost penetration, aberration, gain, foreshortening and framing; the quality follows from that.

| column | |
| --- | --- |
| sample_id, video_path | one loop, DICOM |
| quality_score | 0 (useless) to 1, the mean of both readers |
| quality | 1 where that is 0.5 or more |
| reader_1, reader_2 | the score that each reader gave |
| subject, session, date | who, and when |
| sex, age, site, scanner | of the person; site a has two machines, site b another |
| ef | ejection fraction of the left ventricle, percent |
| frames | of the loop; some are short, and one in a hundred files is broken |
| mask | picture of where dropout, shadow, reverberation or haze lies (only where asked for) |
"""


def write(
    out_dir: Path,
    *,
    seed: int = 0,
    workers: int = 1,
    n: int = 220,
    site: str = "a",
    confounder: bool = False,
    layout: str = "table",
    masks: bool = False,
    unusable: bool = True,
) -> Cohort:
    """Write the cohort.

    Args:
        out_dir: the folder to fill.
        seed: of every draw.
        workers: processes that make loops side by side; no effect on what is written.
        n: subjects, each with one to three loops (1.18 on average).
        site: "a" (two machines), or "b": other people, poorer windows, a third machine with more noise and contrast.
        confounder: who is hard to image comes to the second machine, which leaves its cursor's dashed line in the
            sector (`screen.cursor_mask`): a shortcut to the quality.
        layout: "table" (``loops/*.dcm`` and ``cohort.csv``) or "echonet" (``Videos/*.avi`` and ``FileList.csv``).
        masks: write where the sector is spoiled as ``masks/*.png`` (255 there).
        unusable: break a few files, as in real life.

    Raises:
        ScantuneError: an option out of range.
    """
    choice("site", site, ("a", "b"))
    choice("layout", layout, ("table", "echonet"))
    if n < 1:
        raise ScantuneError(f"n: {n}; at least 1 subject is needed")
    scanners = tuple(name for name, scanner in SCANNERS.items() if scanner.site == site)
    if confounder and len(scanners) < 2:
        raise ScantuneError(f"confounder: true needs two machines, and site {site!r} has one; site a has two")
    subjects = [
        draw_subject(
            generator(seed, "echo", site, number, "subject"),
            number,
            scanners,
            harder=0.08 if site == "b" else 0.0,
            confounder=confounder,
        )
        for number in range(1, n + 1)
    ]
    if layout == "echonet":
        table, count = echonet.write(out_dir, seed, site, subjects, workers=workers)
        write_readme(out_dir, "Echocardiograms in EchoNet-Dynamic's layout (synthetic)", echonet.README)
        return Cohort("echo", out_dir, table, count, n)
    loops = [(subject, number) for subject in subjects for number in range(len(subject.loops))]
    broken = _broken(seed, site, len(loops)) if unusable else {}
    jobs = [
        (out_dir, seed, site, subject, number, confounder and subject.scanner == scanners[-1], masks, broken.get(at))
        for at, (subject, number) in enumerate(loops)
    ]
    rows = side_by_side(_write_loop, jobs, workers)
    write_readme(out_dir, "Echocardiograms of graded quality (synthetic)", _README)
    table = write_table(out_dir / "cohort.csv", rows)
    return Cohort(
        "echo", out_dir, table, len(rows), n, {str(rows[at]["sample_id"]): what for at, what in broken.items()}
    )


def _broken(seed: int, site: str, count: int) -> dict[int, str]:
    return choose(generator(seed, "echo", site, "unusable"), count)


def _write_loop(
    out_dir: Path, seed: int, site: str, subject: Subject, number: int, cursor: bool, masks: bool, fault: str | None
) -> Mapping[str, object]:
    import cv2

    cv2.setNumThreads(1)  # side by side they would only wait for each other
    scanner = SCANNERS[subject.scanner]
    cine = make_loop(seed, site, subject, number)
    row = _row(seed, site, subject, number)
    frames = before_writing(_on_screen(cine, scanner, subject, site, cursor=cursor), fault)
    row["frames"] = len(frames)
    path = io.write_cine(
        out_dir / str(row["video_path"]),
        frames,
        patient_id=f"ECHO-{site.upper()}{subject.number:04d}",
        seed=f"echo {seed} {row['sample_id']}",
        frame_time=subject.loops[number].frame_time,
        encoding="jpeg" if scanner.encoding == "jpeg" else "raw",
        tags=_tags(scanner, subject, number),
    )
    after_writing(path, fault)
    if masks:
        row["mask"] = f"masks/{row['sample_id']}.png"
        io.write_png(out_dir / str(row["mask"]), np.where(cine.region > 0.5, 255, 0).astype(np.uint8))
    return row


def _on_screen(cine: Cine, scanner: Scanner, subject: Subject, site: str, *, cursor: bool) -> np.ndarray:
    """Frames as the machine shows them: uint8 [T, H, W, 3], or [T, H, W] where its files are grey."""
    lines = [f"SYNTHETIC {subject.name}", f"E-{site}{subject.number:04d}", scanner.model]
    screen = Screen(scanner, cine.sector, lines, cine.phase, cursor=cursor)
    return np.stack([screen.frame(picture, now) for now, picture in enumerate(cine.pictures)])


def _tags(scanner: Scanner, subject: Subject, number: int) -> dict[str, object]:
    loop = subject.loops[number]
    return {
        "PatientName": f"SYNTHETIC^{subject.name}",
        "PatientSex": subject.sex,
        "PatientAge": f"{subject.age:03d}Y",
        "Manufacturer": scanner.vendor,
        "ManufacturerModelName": scanner.model,
        "SeriesDescription": "A4C (SYNTHETIC phantom)",
        "BodyPartExamined": "HEART",
        "HeartRate": str(round(loop.rate)),
        "BurnedInAnnotation": "YES",
        "ImageComments": SYNTHETIC,
    }


def _row(seed: int, site: str, subject: Subject, number: int) -> dict[str, object]:
    loop = subject.loops[number]
    readers = generator(seed, "echo", site, subject.number, "readers", number)
    loop_quality = quality(loop.faults)
    first, second = (read(readers, loop_quality, strictness) for strictness in (-0.015, 0.015))
    score = round((first + second) / 2, 3)
    sample_id = f"echo-{site}{subject.number:04d}-{number + 1}"
    return {
        "sample_id": sample_id,
        "video_path": f"loops/{sample_id}.dcm",
        "quality_score": score,
        "quality": int(score >= GOOD),
        "reader_1": first,
        "reader_2": second,
        "subject": f"{site}{subject.number:04d}",
        "session": loop.session,
        "date": loop.date.isoformat(),
        "sex": subject.sex,
        "age": subject.age,
        "site": site,
        "scanner": subject.scanner,
        "ef": round(100 * subject.heart.ejection, 1),
    }


__all__ = ["GOOD", "Faults", "make_loop", "write"]
