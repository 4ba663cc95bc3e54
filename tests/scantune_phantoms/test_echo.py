"""The echo cohort as files: tables, headers, layouts, broken files, the planted shortcut."""

import csv
import hashlib

import cv2
import numpy as np
import pydicom
import pytest

from scantune import demos, io
from scantune.records import ReadError, ScantuneError
from scantune_phantoms.echo.screen import cursor_mask
from scantune_phantoms.echo.spoil import COSTS
from tests.preprocess.direct import prepare_video

READ = {"shape": (64, 64), "frames": 8, "period": 3, "min_frames": 2, "sector": True, "intensity": {"name": "scale"}}


def rows_of(made):
    return list(csv.DictReader(made.table.open()))


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return demos.make("echo", tmp_path_factory.mktemp("echo"), n=24, seed=3, workers=1, masks=True)


@pytest.mark.slow
def test_each_loop_is_a_synthetic_cine_of_its_machine(cohort):
    seen = set()
    for row in rows_of(cohort):
        if row["sample_id"] in cohort.unusable:
            continue
        header = pydicom.dcmread(cohort.folder / row["video_path"], stop_before_pixels=True)
        seen.add((header.file_meta.TransferSyntaxUID.name, header.PhotometricInterpretation))
        assert header.SOPClassUID.name == "Ultrasound Multi-frame Image Storage"
        assert int(header.NumberOfFrames) == int(row["frames"]) >= 6
        assert header.PatientName.family_name == "SYNTHETIC"
        assert "SYNTHETIC" in header.ImageComments
        assert header.BurnedInAnnotation == "YES"
        assert "StudyDate" not in header or not header.StudyDate
    assert seen == {
        ("JPEG Baseline (Process 1)", "YBR_FULL_422"),
        ("Explicit VR Little Endian", "MONOCHROME2"),
    }


@pytest.mark.slow
def test_the_score_is_both_readers_mean_and_the_label_its_threshold(cohort):
    rows = rows_of(cohort)
    for row in rows:
        mean = (float(row["reader_1"]) + float(row["reader_2"])) / 2
        assert float(row["quality_score"]) == pytest.approx(mean, abs=1e-3)
        assert int(row["quality"]) == (float(row["quality_score"]) >= 0.5)
    assert {row["quality"] for row in rows} == {"0", "1"}
    assert {row["sex"] for row in rows} == {"F", "M"}
    assert len({row["subject"] for row in rows}) == cohort.n_subjects == 24
    assert len(rows) == cohort.n_samples > 24


def test_broken_files_are_refused_and_whole_ones_have_their_sector_found(cohort):
    assert set(cohort.unusable.values()) == {"file cut short", "all zero", "one frame"}
    for row in rows_of(cohort):
        path = cohort.folder / row["video_path"]
        if row["sample_id"] in cohort.unusable:
            with pytest.raises(ReadError):
                prepare_video([path], **READ)
            continue
        prepared = prepare_video([path], **READ)
        assert prepared.tensor.shape == (1, 8, 64, 64)
        assert 0.05 < prepared.facts["sector_fraction"] < 0.6


def test_words_stand_outside_the_sector_and_stay_still(cohort):
    row = next(row for row in rows_of(cohort) if row["sample_id"] not in cohort.unusable)
    frames = io.read(cohort.folder / row["video_path"]).frames[..., 0].astype(int)
    corner = frames[:, :12, :60]
    assert corner.max() > 150
    assert np.ptp(corner, axis=0).max() < 12


def test_masks_lie_on_the_screen_and_in_the_sector(cohort):
    marked = 0
    for row in rows_of(cohort):
        if row["sample_id"] in cohort.unusable:
            continue
        mask = cv2.imread(str(cohort.folder / row["mask"]), cv2.IMREAD_UNCHANGED)
        frames = io.read(cohort.folder / row["video_path"]).frames
        assert mask.shape == frames.shape[1:3]
        assert set(np.unique(mask)) <= {0, 255}
        assert not mask[:8].any()
        assert not mask[-3:].any()
        marked += bool(mask.any())
    assert marked > 8


@pytest.mark.slow
def test_the_same_bytes_whatever_the_workers_and_others_by_another_seed(tmp_path):
    made = [
        demos.make("echo", tmp_path / name, n=3, seed=seed, workers=workers, unusable=False)
        for name, seed, workers in (("one", 0, 1), ("two", 0, 2), ("other", 1, 1))
    ]
    first, second, other = (digests(each.folder) for each in made)
    assert first == second
    assert first["cohort.csv"] != other["cohort.csv"]


def test_site_b_is_other_people_on_another_machine(tmp_path):
    made = demos.make("echo", tmp_path, n=2, site="b", unusable=False)
    for row in rows_of(made):
        assert (row["site"], row["scanner"], row["subject"][0]) == ("b", "fulmar-X", "b")
        assert pydicom.dcmread(tmp_path / row["video_path"]).Manufacturer == "Fulmar (phantom)"


@pytest.mark.slow
def test_the_confounder_ties_the_machine_to_quality_and_leaves_its_cursor(tmp_path):
    from scantune_phantoms.cohort import generator
    from scantune_phantoms.echo import SCANNERS, draw_subject, make_loop, quality

    scanners = ("delfin-S3", "egret-P1")

    def drop(confounder):
        people = [draw_subject(generator(0, "c", at), at, scanners, confounder=confounder) for at in range(400)]
        score = {name: [quality(p.loops[0].faults) for p in people if p.scanner == name] for name in scanners}
        return np.mean(score["delfin-S3"]) - np.mean(score["egret-P1"])

    assert abs(drop(False)) < 0.08
    assert drop(True) > 0.3
    made = demos.make("echo", tmp_path, n=6, confounder=True, unusable=False)
    lines = {}
    for row in rows_of(made):
        number, loop = int(row["subject"][1:]), int(row["sample_id"][-1]) - 1
        subject = draw_subject(generator(0, "echo", "a", number, "subject"), number, scanners, confounder=True)
        line = cursor_mask(make_loop(0, "a", subject, loop).sector)
        frames = io.read(tmp_path / row["video_path"]).frames[..., 0]
        assert frames.shape[1:] == SCANNERS[row["scanner"]].size
        lines.setdefault(row["scanner"], []).append(float(frames.min(axis=0)[line].mean()))
    assert min(lines["egret-P1"]) > 195
    assert max(lines["delfin-S3"]) < 120


def test_echonet_layout_reads_as_that_data_set_does(tmp_path):
    made = demos.make("echo", tmp_path, n=4, layout="echonet")
    rows = rows_of(made)
    columns = ["FileName", "EF", "ESV", "EDV", "FrameHeight", "FrameWidth", "FPS", "NumberOfFrames", "Split"]
    assert list(rows[0]) == columns
    for row in rows:
        path = tmp_path / "Videos" / f"{row['FileName']}.avi"
        assert b"SYNTHETIC" in path.read_bytes()
        video = io.read(path)
        assert video.frames.shape[:3] == (int(row["NumberOfFrames"]), 112, 112)
        assert video.frame_time == pytest.approx(1000 / int(row["FPS"]), rel=0.02)
        assert row["Split"] in ("TRAIN", "VAL", "TEST")
        ejected = 100 * (1 - float(row["ESV"]) / float(row["EDV"]))
        assert float(row["EF"]) == pytest.approx(ejected, abs=8)


def test_wrong_options_are_named(tmp_path):
    for options, message in (
        ({"site": "c"}, "site: 'c'"),
        ({"layout": "avi"}, "layout: 'avi'"),
        ({"n": 0}, "n: 0"),
        ({"site": "b", "confounder": True}, "confounder"),
        ({"masked": True}, "no option 'masked'"),
    ):
        with pytest.raises(ScantuneError, match=message):
            demos.make("echo", tmp_path, **options)


def test_each_fault_has_a_cost():
    from dataclasses import fields

    from scantune_phantoms.echo import Faults

    assert {item.name for item in fields(Faults)} == set(COSTS)
