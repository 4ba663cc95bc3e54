import csv
import hashlib
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from scantune import demos, io
from scantune.cohort.folders import load_folders
from scantune.cohort.medmnist import table_of_medmnist
from scantune.records import ReadError, ScantuneError
from scantune_phantoms.cells import CLASSES, draw_subject, smear, stain
from scantune_phantoms.cohort import SYNTHETIC, generator


def _bytes(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return demos.make("cells", tmp_path_factory.mktemp("cells"), n=10, edge=48, workers=1)


def _rows(made):
    return list(csv.DictReader(made.table.open(encoding="utf-8")))


@pytest.mark.slow
def test_same_seed_same_bytes_whatever_the_workers(cohort, tmp_path):
    demos.make("cells", tmp_path / "again", n=10, edge=48, workers=2)
    assert _bytes(tmp_path / "again") == _bytes(cohort.folder)
    demos.make("cells", tmp_path / "other", n=1, edge=48, seed=1, workers=1)
    assert set(_bytes(tmp_path / "other").values()).isdisjoint(
        digest for name, digest in _bytes(cohort.folder).items() if name.endswith(("png", "jpg"))
    )


@pytest.mark.slow
def test_class_folders_load_with_subjects_on_one_side_each(cohort):
    records = load_folders(cohort.folder)
    rows = _rows(cohort)
    assert len(records) == len(rows) == cohort.n_samples
    assert {record.targets["label"] for record in records} <= set(CLASSES)
    sides = {(row["subject"], row["split"]) for row in rows}
    assert len(sides) == len({subject for subject, _ in sides}) == cohort.n_subjects == 10
    assert all(row["file"].split("/")[:2] == [row["split"], row["label"]] for row in rows)


def test_usable_files_read_and_say_synthetic_and_broken_ones_are_refused(cohort):
    assert Counter(cohort.unusable.values()) == {"truncated file": 1, "empty file": 1, "all black": 1}
    for row in _rows(cohort):
        path = cohort.folder / row["file"]
        if row["sample_id"] in cohort.unusable:
            with pytest.raises(ReadError):
                io.read(path)
            continue
        assert io.read(path).array.shape == (3, 48, 48)
        with Image.open(path) as picture:
            note = picture.info["comment"].decode() if path.suffix == ".jpg" else picture.info["Comment"]
        assert note == SYNTHETIC


def test_readers_err_on_few_cells_and_the_label_is_the_first_reader_s():
    people = [
        draw_subject(generator(0, "cells", "a", at), at, "a", ("lyra-100x", "pavo-60x"), confounder=False)
        for at in range(200)
    ]
    shots = [shot for person in people for shot in person.pictures]
    wrong = np.mean([shot.readers[0] != shot.kind for shot in shots])
    apart = np.mean([shot.readers[0] != shot.readers[1] for shot in shots])
    assert 0.03 < wrong < 0.08
    assert 0.03 < apart < 0.09
    assert set(Counter(shot.kind for shot in shots)) == set(CLASSES)
    assert 0.25 < np.mean([shot.kind == "neutrophil" for shot in shots]) < 0.35


@pytest.mark.slow
def test_what_tells_the_kinds_apart_is_in_the_picture():
    """Nucleus over body is greatest in lymphocytes, the body in monocytes; eosinophils' cytoplasm is the reddest."""
    scanner = stain.SCANNERS["lyra-100x"]
    share, area, red = {}, {}, {}
    for kind in CLASSES:
        drawn = []
        for at in range(12):
            rng = np.random.default_rng([7, at])
            pixels, mask = smear.field(rng, kind, smear.draw_slide(rng), scanner, size=128)
            plasma = pixels[mask == 1].astype(float).mean(axis=0)
            drawn.append(((mask == 2).sum() / (mask > 0).sum(), (mask > 0).sum(), plasma[0] - plasma[2]))
        share[kind], area[kind], red[kind] = np.mean(drawn, axis=0)
    assert max(share, key=share.get) == "lymphocyte"
    assert max(area, key=area.get) == "monocyte"
    assert max(red, key=red.get) == "eosinophil"


def test_confounder_ties_the_microscope_to_the_label():
    def tied(confounder):
        shots = [
            shot
            for at in range(60)
            for shot in draw_subject(
                generator(0, "cells", "a", at), at, "a", ("lyra-100x", "pavo-60x"), confounder=confounder
            ).pictures
        ]
        rare = [shot.scanner == "pavo-60x" for shot in shots if shot.kind in ("eosinophil", "basophil")]
        usual = [shot.scanner == "pavo-60x" for shot in shots if shot.kind not in ("eosinophil", "basophil")]
        return np.mean(rare) - np.mean(usual)

    assert tied(True) > 0.75
    assert abs(tied(False)) < 0.2


def test_other_site_is_seen_by_another_microscope(tmp_path):
    made = demos.make("cells", tmp_path, n=3, site="b", layout="table", edge=48, masks=True, workers=1)
    rows = _rows(made)
    assert {row["scanner"] for row in rows} == {"corvus-40x"}
    usable = next(row for row in rows if row["sample_id"] not in made.unusable)
    assert set(np.unique(io.read(tmp_path / usable["mask"]).array)) == {0, 1, 2}


@pytest.mark.slow
def test_medmnist_layout_becomes_a_table(tmp_path):
    made = demos.make("cells", tmp_path / "npz", n=14, layout="medmnist", edge=28, workers=1)
    table = table_of_medmnist(tmp_path / "npz" / "cells.npz", tmp_path / "table", names=CLASSES)
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    assert len(rows) == made.n_samples
    assert {row["split"] for row in rows} == {"train", "validation", "test"}
    assert {row["label"] for row in rows} <= set(CLASSES)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"edge": 400}, "16 to 128"),
        ({"masks": True}, "layout: table"),
        ({"site": "c"}, "site: 'c'"),
        ({"site": "b", "confounder": True}, "two scanners"),
    ],
)
def test_options_that_cannot_be_are_named(tmp_path, options, message):
    with pytest.raises(ScantuneError, match=message):
        demos.make("cells", tmp_path, **options)
