"""Class folders whose file names say which pictures are of one person."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from scantune import cohort, io, preprocess
from scantune.cohort.faults import CohortError


@pytest.fixture
def folders(tmp_path, rng):
    """Two classes, six people of three pictures each: ``Doe_4_view1.png``."""

    def make(name: str = "Doe_{person}_view{view}.png"):
        for person in range(6):
            for view in range(3):
                path = tmp_path / "raw" / ("ill" if person % 2 else "well") / name.format(person=person, view=view)
                io.write_png(path, rng.integers(0, 255, (12, 12), dtype=np.uint8))
        return {"root": str(tmp_path / "raw"), "class_folders": True, "table": None}

    return make


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.slow
def test_pictures_of_one_person_share_a_subject_and_a_side(folders, dataset, tmp_path):
    from scantune.config.input import ImageInput

    keys, settings = folders(), ImageInput(dataset="d", modality="image", workers=1)
    warned = {}
    for pattern in (None, "Doe_[0-9]+", "^Doe_([0-9]+)_"):
        block = dataset(**keys, subject_from=pattern, split={"fractions": [0.5, 0.25, 0.25]})
        read = cohort.read(block, tmp_path)
        assert len({r.subject_id for r in read.records}) == (6 if pattern else 18)
        assert all("Doe" not in r.subject_id + r.sample_id for r in read.records)
        summary = preprocess.run(read, settings, tmp_path / "out", tmp_path / "store", progress=False)
        assert summary.flow["subjects_known"] is (pattern is not None)
        sides: dict[str, set[str]] = {}
        assignments = cohort.split(read.records, block.split)
        for record, assignment in zip(read.records, assignments, strict=True):
            sides.setdefault(record.files[0].name[:5], set()).add(assignment.split)
        assert all(len(result) == 1 for result in sides.values()) is (pattern is not None)
        audit = cohort.audit(tmp_path / "out", assignments, block.split, subjects_known=block.subjects_known)
        warned[pattern] = [warning for warning in audit.warnings if "subject" in warning]
    assert len(warned[None]) > len(warned["Doe_[0-9]+"])
    assert any("no subject" in warning.lower() for warning in warned[None]), warned


def test_all_names_without_a_subject_are_told_at_once(folders, dataset):
    keys = folders()
    folders("Roe{person}{view}.png")
    with pytest.raises(CohortError, match="nothing matches") as caught:
        cohort.load(dataset(**keys, subject_from="Doe_[0-9]+"), Path())
    assert len(caught.value.faults) == 18


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({"table": "a.csv", "files": "{a}", "subject_from": "x"}, "for class folders"),
        ({"table": None, "class_folders": True, "subject": "x"}, "for a table"),
        ({"table": None, "class_folders": True, "series": "{x}"}, "for a table"),
        ({"table": None, "class_folders": True, "subject_from": "("}, "not a regular expression"),
    ],
)
def test_keys_that_do_not_belong_together_are_refused(dataset, keys, what):
    with pytest.raises(ValidationError, match=what):
        dataset(**keys)


@pytest.mark.parametrize("form", ["doe_{person}_view9.png", "Doe _{person}_view9.png"])
def test_names_of_one_person_in_two_forms_are_told_and_joined_by_key(folders, dataset, form):
    keys = folders() | {"subject_from": "^([^_]+_[^_]+)_"}
    folders(form)
    apart = cohort.read(dataset(**keys), Path())
    assert len({r.subject_id for r in apart.records}) == 12
    assert "subject ids that differ only in case" in apart.warnings[0]
    assert "oe" not in apart.warnings[0].split("form: 6")[1]
    joined = cohort.read(dataset(**keys, join_ids=True), Path())
    assert len({r.subject_id for r in joined.records}) == 6
    assert all("oe" not in r.subject_id for r in joined.records)


def test_thumbnails_of_servers_are_no_samples(folders, dataset, tmp_path):
    keys = folders()
    path = next((tmp_path / "raw" / "ill").iterdir())
    (path.parent / "@eaDir").mkdir()
    io.write_png(path.parent / "@eaDir" / path.name, np.zeros((4, 4), np.uint8))
    assert len(cohort.load(dataset(**keys), tmp_path)) == 18
