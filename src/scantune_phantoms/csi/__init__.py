"""Chest radiographs with a congestion score by zone (CSI): drawn by path length, as x-rays see a chest.

A body, lungs, heart, vessels and bones are summed along the beam (`chest`, `bones`, `vessels`), congestion, fluid and
devices added (`congestion`, `devices`), and what a detector and its vendor make of it is stored (`detector`). Labels
follow from what is drawn, with a reader's noise (`subjects`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from scantune_phantoms.cohort import Cohort, choice, generator, side_by_side, write_readme, write_table
from scantune_phantoms.csi import chexpert as chexpert_table
from scantune_phantoms.csi import files
from scantune_phantoms.csi.chest import ZONES
from scantune_phantoms.csi.detector import SCANNERS
from scantune_phantoms.csi.film import Film, make_film
from scantune_phantoms.csi.subjects import Subject, acute, draw_subject, mean_score, read_zones

_README = """
Synthetic chest radiographs made by scantune. No patient; not for diagnosis; nothing here says anything about medicine.

`cohort.csv` has one film a row, separated by `;`: a congestion grade (0 none, 1 redistribution, 2 interstitial,
3 alveolar) for each of six zones. An empty cell is a zone that cannot be judged: cropped, behind a device or under
fluid. `right` is the patient's right, at the picture's left. `acute_heart_failure` is likelier the more congestion
there is. A few files are unusable on purpose, as in real life.
"""
_README_CHEXPERT = """
Synthetic chest radiographs made by scantune, in the layout of CheXpert's small release (J. Irvin et al., AAAI 2019).
No patient; not for diagnosis. Nothing in it comes from CheXpert but names of columns and folders.

Labels: 1 there, 0 not there, -1 uncertain, blank not mentioned.
"""
_FOLDER = "CheXpert-phantom"


def write(
    out_dir: Path,
    *,
    seed: int = 0,
    workers: int = 1,
    n: int = 300,
    site: str = "a",
    confounder: bool = False,
    masks: bool = True,
    readers: int = 1,
    chexpert: bool = False,
    unusable: bool = True,
) -> Cohort:
    """Write the cohort: ``cohort.csv`` and ``images/``, or CheXpert's tables and folders.

    Args:
        out_dir: the folder to fill.
        seed: of every draw.
        workers: processes side by side.
        n: subjects; one in five has two films.
        site: "a" (a wall stand and a mobile unit) or "b" (elsewhere: another vendor, harder contrast, more noise,
            mostly MONOCHROME1): an external cohort.
        confounder: the mobile unit, whose films then bear the letters MOBILE, takes the ill, the wall stand the well.
        masks: write the six zones of each film as labels 1 to 6, ``masks/<FileID>.png``.
        readers: 2 adds a second reader's grades (``reader_2_<zone>``) and both readers' mean scores.
        chexpert: CheXpert's layout: 8-bit JPEG, ``train.csv`` and ``valid.csv``, its fourteen findings.
        unusable: break up to four files, each in its own way; a cohort of fewer than 60 films gets fewer.

    Raises:
        ScantuneError: for an option's value that does not exist.
    """
    choice("site", site, ("a", "b"))
    choice("readers", str(readers), ("1", "2"))
    scanners = tuple(name for name, scanner in SCANNERS.items() if scanner.site == site)
    people = [
        draw_subject(generator(seed, "csi", site, i, "subject"), i, scanners, confounder=confounder)
        for i in range(1, n + 1)
    ]
    one = _chexpert_film if chexpert else _table_film
    jobs = [
        (out_dir, seed, site, person, film, confounder, masks, readers)
        for person in people
        for film in range(len(person.severity))
    ]
    rows = side_by_side(one, jobs, workers)
    if chexpert:
        return _finish_chexpert(out_dir, rows, n)
    broken = _break_some(out_dir, seed, rows) if unusable else {}
    write_readme(out_dir, "Chest radiographs (synthetic)", _README)
    table = write_table(out_dir / "cohort.csv", rows, delimiter=";")
    return Cohort("csi", out_dir, table, len(rows), n, broken)


def _take(seed: int, site: str, person: Subject, number: int, confounder: bool) -> tuple[Film, np.random.Generator]:
    import cv2

    cv2.setNumThreads(1)  # films are side by side already
    film = make_film(seed, site, person, number, confounder=confounder)
    return film, generator(seed, "csi", site, person.number, "file", number)


def _table_film(
    out_dir: Path, seed: int, site: str, person: Subject, number: int, confounder: bool, masks: bool, readers: int
) -> dict[str, object]:
    """Write one film; its row of the table."""
    film, rng = _take(seed, site, person, number, confounder)
    subject = f"S{site.upper()}{person.number:04d}"
    file_id = f"CXR-{subject}-{number + 1}"
    kind = ".nii.gz" if rng.random() < 0.15 else ".dcm"
    name = f"images/{file_id}{kind}"
    age = f"{min(person.age, 89):03d}Y"
    tags: dict[str, Any] = {"PatientID": subject, "PatientSex": person.sex, "PatientAge": age}
    files.WRITERS[kind](out_dir / name, rng, film, SCANNERS[person.scanner], tags)
    if masks:
        files.write_mask(out_dir / "masks" / f"{file_id}.png", film)
    reading = generator(seed, "csi", site, person.number, "readers", number)
    grades = read_zones(reading, person.severity[number], film.hidden)
    second = read_zones(reading, person.severity[number], film.hidden)
    row: dict[str, object] = {"FileID": file_id, **{zone: grades[zone] for zone in ZONES}}
    row |= {"file": name, "subject": subject, "film": number + 1, "sex": person.sex, "age": person.age}
    row |= {"site": site, "scanner": person.scanner, "view": film.view}
    row["acute_heart_failure"] = acute(reading, person.severity[number])
    if readers == 2:
        row |= {f"reader_2_{zone}": second[zone] for zone in ZONES}
        for reader, own in (("reader_1", grades), ("reader_2", second)):
            mean = mean_score(own)
            row[f"{reader}_mean"] = None if mean is None else f"{mean:.3f}"
    return row


def _chexpert_film(
    out_dir: Path, seed: int, site: str, person: Subject, number: int, confounder: bool, masks: bool, readers: int
) -> dict[str, object]:
    film, _ = _take(seed, site, person, number, confounder)
    side = "valid" if generator(seed, "csi", site, person.number, "side").random() < 0.15 else "train"
    name = f"{_FOLDER}/{side}/patient{person.number:05d}/study{number + 1}/view1_frontal.jpg"
    files.write_jpeg(out_dir / name, film)
    labels = chexpert_table.findings(
        generator(seed, "csi", site, person.number, "report", number), person, number, film
    )
    return chexpert_table.row(person, film, name, labels)


def _finish_chexpert(out_dir: Path, rows: list[dict[str, object]], n: int) -> Cohort:
    for side in ("train", "valid"):
        mine = [row for row in rows if f"/{side}/" in str(row["Path"])]
        if mine:
            write_table(out_dir / _FOLDER / f"{side}.csv", mine)
    write_readme(out_dir, "Chest radiographs (synthetic) in CheXpert's layout", _README_CHEXPERT)
    return Cohort("csi", out_dir, out_dir / _FOLDER / "train.csv", len(rows), n)


def _break_some(out_dir: Path, seed: int, rows: list[dict[str, object]]) -> dict[str, str]:
    """Break a file in each way there is, as many ways as there are 15 films for; sample id to what is wrong."""
    broken: dict[str, str] = {}
    order = generator(seed, "csi", "unusable").permutation(len(rows))
    for what, (damage, kind) in list(files.BREAKS.items())[: len(rows) // 15]:
        fitting = [rows[i] for i in order if str(rows[i]["file"]).endswith(kind) and rows[i]["FileID"] not in broken]
        if fitting:
            damage(out_dir / str(fitting[0]["file"]))
            broken[str(fitting[0]["FileID"])] = what
    return broken
