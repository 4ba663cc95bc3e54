"""White blood cells in stained smears, in class folders. Synthetic, and says so.

Five kinds, told apart by nucleus, size, cytoplasm and granules (`leukocyte`), lie among red cells (`smear`) on slides
stained and photographed as two microscopes do, a third one at the other site (`stain`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scantune.records import ScantuneError
from scantune_phantoms.cells import files
from scantune_phantoms.cells.leukocyte import CLASSES
from scantune_phantoms.cells.smear import field
from scantune_phantoms.cells.stain import SCANNERS
from scantune_phantoms.cells.subjects import Picture, Subject, draw_subject
from scantune_phantoms.cohort import Cohort, choice, generator, side_by_side, write_readme, write_table

_README = """
Synthetic pictures of white blood cells made by scantune: nobody's blood, not for diagnosis.

| column | |
| --- | --- |
| sample_id, subject, session | a picture, the person, which of their smears |
| file | the picture: `<side>/<class>/<sample_id>.png` or `.jpg`, or below `images/` |
| label | the kind of cell, as the first reader called it |
| split | train, val or test, by subject: the folder's name |
| sex, age, site, scanner | of the person; the microscope |
| reader_1, reader_2 | what each reader called the cell: on one in ten, hard to tell, each errs as often as not |
| mask | 1 the cell's body, 2 its nucleus (only where masks were asked for) |

`planted.csv` has the kind that was drawn. A few files are broken on purpose, as in real life. Every file says in its
own comment that it is synthetic.
"""
_README_MEDMNIST = """
Synthetic pictures of white blood cells made by scantune: nobody's blood, not for diagnosis. `cells.npz` is laid out as
MedMNIST's array files are (J. Yang et al., Scientific Data 10, 41, 2023): `train_images`, `train_labels`, `val_…`,
`test_…`; labels count the classes {classes} from 0. Nothing in it comes from MedMNIST but the names of the arrays.
"""


def write(
    out_dir: Path,
    *,
    seed: int = 0,
    workers: int = 1,
    n: int = 60,
    site: str = "a",
    confounder: bool = False,
    layout: str = "folders",
    edge: int = 96,
    masks: bool = False,
    unusable: bool = True,
) -> Cohort:
    """Write the cohort.

    Args:
        out_dir: the folder to fill.
        seed: of every draw.
        workers: processes that draw side by side; no effect on what is written.
        n: subjects, each with eight to twelve cells on one or two smears.
        site: "a" (two microscopes) or "b" (other people; a third one: redder stain, less zoom, softer, noisier).
        confounder: eosinophils and basophils are photographed by the second microscope, which leaves its pointer's tip
            at the lower left: a shortcut to the label.
        layout: "folders" (``train/<class>/…``, ``val/…``, ``test/…``, and ``cohort.csv`` that lists them), "table"
            (``images/…`` and ``cohort.csv``) or "medmnist" (``cells.npz`` alone, laid out as MedMNIST's).
        edge: height and width in pixels, at most 128.
        masks: write the cell's body and nucleus as ``masks/*.png``; not below class folders.
        unusable: break a few files, as in real life.

    Raises:
        ScantuneError: an option out of range.
    """
    choice("site", site, ("a", "b"))
    choice("layout", layout, ("folders", "table", "medmnist"))
    if n < 1 or not 16 <= edge <= 128:
        raise ScantuneError(f"n: {n}, edge: {edge}; at least 1 subject and 16 to 128 pixels are needed")
    if masks and layout != "table":
        raise ScantuneError(f"masks: true needs layout: table, where nobody takes them for a class; not {layout!r}")
    scanners = tuple(name for name, scanner in SCANNERS.items() if scanner.site == site)
    if confounder and len(scanners) < 2:
        raise ScantuneError(f"confounder: true needs two scanners, and site {site!r} has one; site a has two")
    people = [
        draw_subject(generator(seed, "cells", site, number), number, site, scanners, confounder=confounder)
        for number in range(1, n + 1)
    ]
    shots = [(person, picture) for person in people for picture in person.pictures]
    if layout == "medmnist":
        jobs = [(seed, site, person, picture, edge, confounder) for person, picture in shots]
        return _medmnist(out_dir, shots, [cell for cell, _ in side_by_side(draw, jobs, workers)], n)
    faults = files.choose(generator(seed, "cells", site, "unusable"), len(shots)) if unusable else {}
    rows = side_by_side(
        _write_picture,
        [
            (out_dir, seed, site, person, picture, edge, confounder, layout, masks, faults.get(at))
            for at, (person, picture) in enumerate(shots)
        ],
        workers,
    )
    write_readme(out_dir, "White blood cells (synthetic)", _README)
    write_table(out_dir / "planted.csv", [{"sample_id": shot.sample_id, "planted": shot.kind} for _, shot in shots])
    table = write_table(out_dir / "cohort.csv", rows)
    return Cohort("cells", out_dir, table, len(rows), n, {shots[at][1].sample_id: name for at, name in faults.items()})


def draw(
    seed: int, site: str, person: Subject, picture: Picture, size: int, confounder: bool
) -> tuple[np.ndarray, np.ndarray]:
    """One picture, uint8 RGB [H, W, 3], and its mask, uint8 [H, W] (`smear.field`)."""
    scanner = SCANNERS[picture.scanner]
    mark = confounder and picture.scanner == [name for name, one in SCANNERS.items() if one.site == site][-1]
    rng = generator(seed, "cells", site, person.number, "picture", picture.number)
    return field(rng, picture.kind, person.slides[picture.session - 1], scanner, size=size, mark=mark)


def _write_picture(
    out_dir: Path,
    seed: int,
    site: str,
    person: Subject,
    picture: Picture,
    size: int,
    confounder: bool,
    layout: str,
    masks: bool,
    fault: str | None,
) -> dict[str, object]:
    pixels, area = draw(seed, site, person, picture, size, confounder)
    suffix = ".jpg" if SCANNERS[picture.scanner].jpeg else ".png"
    folder = f"{person.split}/{picture.readers[0]}" if layout == "folders" else "images"
    place = f"{folder}/{picture.sample_id}{suffix}"
    files.write_picture(out_dir / place, pixels, fault)
    row: dict[str, object] = {
        "sample_id": picture.sample_id,
        "subject": person.name,
        "session": picture.session,
        "file": place,
        "label": picture.readers[0],
        "split": person.split,
        "sex": person.sex,
        "age": person.age,
        "site": site,
        "scanner": picture.scanner,
        "reader_1": picture.readers[0],
        "reader_2": picture.readers[1],
    }
    if masks:
        row["mask"] = f"masks/{picture.sample_id}.png"
        files.write_picture(out_dir / str(row["mask"]), area)
    return row


def _medmnist(out_dir: Path, shots: list[tuple[Subject, Picture]], pixels: list[np.ndarray], n: int) -> Cohort:
    arrays: dict[str, np.ndarray] = {}
    for side in ("train", "val", "test"):
        taken = [at for at, (person, _) in enumerate(shots) if person.split == side]
        if not taken:
            raise ScantuneError(
                f"n: {n}; no subject fell to {side!r}: at least 20 subjects are needed for the array file"
            )
        arrays[f"{side}_images"] = np.stack([pixels[at] for at in taken])
        labels = [CLASSES.index(shots[at][1].readers[0]) for at in taken]
        arrays[f"{side}_labels"] = np.array(labels, np.uint8)[:, None]
    np.savez_compressed(out_dir / "cells.npz", **arrays)  # type: ignore[arg-type]
    write_readme(out_dir, "White blood cells (synthetic)", _README_MEDMNIST.format(classes=", ".join(CLASSES)))
    return Cohort("cells", out_dir, None, len(shots), n)
