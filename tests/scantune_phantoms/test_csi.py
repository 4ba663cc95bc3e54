"""The chest radiographs: formats, labels that follow from the picture, sites, a planted shortcut, CheXpert's layout."""

import csv
import hashlib

import numpy as np
import pydicom
import pytest
from PIL import Image

from scantune import demos, io
from scantune.records import ReadError, ScantuneError
from scantune_phantoms.cohort import generator
from scantune_phantoms.csi import detector
from scantune_phantoms.csi.chest import ZONES
from scantune_phantoms.csi.film import make_film
from scantune_phantoms.csi.frame import Frame, along, draw, tubes
from scantune_phantoms.csi.subjects import Subject, draw_subject, mean_score, read_zones


def read_rows(path, delimiter=";"):
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter=delimiter))


def person(severity, *, scanner="alba-wall", fluid=(0.0, 0.0), devices=(), number=1):
    return Subject(number, "M", 60, scanner, (severity,), (fluid,), devices)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return demos.make("csi", tmp_path_factory.mktemp("csi"), n=16, workers=1, readers=2)


@pytest.mark.slow
def test_table_has_the_columns_of_the_score_and_grades_or_blanks(made):
    rows = read_rows(made.table)
    assert list(rows[0])[:7] == ["FileID", *ZONES]
    assert len(rows) == made.n_samples >= made.n_subjects == 16
    assert {row[zone] for row in rows for zone in ZONES} <= {"0", "1", "2", "3", ""}
    for row in rows:
        known = [int(row[zone]) for zone in ZONES if row[zone]]
        assert row["reader_1_mean"] == (f"{np.mean(known):.3f}" if known else "")


@pytest.mark.slow
def test_usable_files_read_with_their_zones_in_place_and_say_that_they_are_synthetic(made):
    rows = read_rows(made.table)
    assert {name.split(".", 1)[1] for name in (row["file"] for row in rows)} == {"dcm", "nii.gz"}
    for row in rows:
        path = made.folder / row["file"]
        if row["FileID"] in made.unusable:
            with pytest.raises(ReadError):
                io.read(path)
            continue
        picture = io.read(path)
        zones = np.asarray(Image.open(made.folder / "masks" / f"{row['FileID']}.png"))
        assert picture.array.shape == (1, *zones.shape)
        pixels = picture.array[0]
        # whatever the format and photometric interpretation, air in the lungs is darker than the middle of the body
        lung = np.median(pixels[(zones == 1) | (zones == 3)]) if (zones > 0).any() else -np.inf
        assert lung < np.percentile(pixels, 90)
        if path.suffix == ".dcm":
            header = pydicom.dcmread(path, stop_before_pixels=True)
            assert "SYNTHETIC" in header.ImageComments
            assert (header.BitsStored, header.Modality) in ((12, "DX"), (12, "CR"))
            assert float(header.WindowWidth) > 0
    assert "Synthetic" in (made.folder / "README.md").read_text()


def test_right_zones_lie_at_the_left_of_the_picture_and_upper_ones_above(made):
    # any film that shows all six
    for path in sorted((made.folder / "masks").iterdir()):
        zones = np.asarray(Image.open(path))
        if set(range(1, 7)) <= set(np.unique(zones)):
            rows, columns = zip(*[[axis.mean() for axis in np.nonzero(zones == label)] for label in range(1, 7)])
            for right in (0, 2, 4):
                assert columns[right] < columns[right + 1]
            assert rows[0] < rows[2] < rows[4]
            assert rows[1] < rows[3] < rows[5]
            return
    pytest.fail("no film shows all zones")


def test_same_seed_gives_the_same_bytes_whatever_the_workers(tmp_path):
    def digests(folder):
        return {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file()
        }

    demos.make("csi", tmp_path / "one", n=2, workers=1)
    demos.make("csi", tmp_path / "two", n=2, workers=2)
    demos.make("csi", tmp_path / "other", n=1, workers=1, seed=1)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert digests(tmp_path / "one") != digests(tmp_path / "other")


def zone_mean(film, zone):
    return float(film.pixels[film.zones == ZONES.index(zone) + 1].mean())


@pytest.mark.slow
@pytest.mark.parametrize("zone", ZONES)
def test_a_congested_zone_is_whiter_than_its_own_film_without(zone):
    well = dict.fromkeys(ZONES, 0.0)
    before = make_film(3, "a", person(well), 0, confounder=False)
    means = []
    for degree in (1.0, 2.0, 3.0):
        film = make_film(3, "a", person({**well, zone: degree}), 0, confounder=False)
        means.append(zone_mean(film, zone) - zone_mean(before, zone))
    assert 0 < means[0] < means[1] < means[2]


@pytest.mark.slow
def test_fluid_and_pads_and_cropping_hide_zones():
    well = dict.fromkeys(ZONES, 0.0)
    dry = make_film(3, "a", person(well), 0, confounder=False)
    wet = make_film(3, "a", person(well, fluid=(9.0, 0.0)), 0, confounder=False)
    assert wet.hidden["right_inf"] > dry.hidden["right_inf"] + 0.3
    assert wet.hidden["left_inf"] == pytest.approx(dry.hidden["left_inf"])
    films = [make_film(seed, "a", person(well, devices=("pad",)), 0, confounder=False) for seed in range(6)]
    assert all(max(film.hidden.values()) > 0.3 for film in films if not film.cropped)
    cropped = [make_film(seed, "a", person(well, number=seed + 1), 0, confounder=False) for seed in range(20)]
    assert all(max(film.hidden.values()) > 0.3 for film in cropped if film.cropped)
    assert any(film.cropped for film in cropped)


def test_readers_grade_what_is_there_give_or_take_one_and_leave_hidden_zones():
    severity = dict(zip(ZONES, (0.0, 0.6, 1.0, 2.0, 3.0, 3.2)))
    rng = np.random.default_rng(0)
    for _ in range(50):
        grades = read_zones(rng, severity, dict.fromkeys(ZONES, 0.0))
        assert all(abs(grades[zone] - min(severity[zone], 3)) <= 1.3 for zone in ZONES)
    hidden = {zone: 0.9 if zone == "left_inf" else 0.0 for zone in ZONES}
    assert read_zones(rng, severity, hidden)["left_inf"] is None
    assert mean_score(dict.fromkeys(ZONES)) is None
    assert mean_score({**dict.fromkeys(ZONES), "left_sup": 3, "left_mid": 2}) == 2.5


def test_confounder_puts_the_ill_before_the_mobile_unit_and_its_letters_on_their_films():
    scanners = ("alba-wall", "brisa-mobile")

    def correlation(confounder):
        people = [draw_subject(generator(0, "s", i), i, scanners, confounder=confounder) for i in range(400)]
        mobile = [one.scanner == "brisa-mobile" for one in people]
        score = [np.mean(list(one.severity[0].values())) for one in people]
        return np.corrcoef(mobile, score)[0, 1]

    assert correlation(confounder=True) > 0.6
    assert abs(correlation(confounder=False)) < 0.15
    ill = person(dict.fromkeys(ZONES, 2.0), scanner="brisa-mobile")
    with_letters = make_film(0, "a", ill, 0, confounder=True).pixels
    without = make_film(0, "a", ill, 0, confounder=False).pixels
    box = detector.marker_box(with_letters.shape)
    changed = np.abs(with_letters - without) > 1e-6
    assert changed[box].mean() > 0.1
    assert changed.sum() == changed[box].sum()


def test_external_site_is_another_machine_mostly_monochrome1(tmp_path):
    made = demos.make("csi", tmp_path, n=12, site="b", workers=1, unusable=False, masks=False)
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in (tmp_path / "images").glob("*.dcm")]
    assert {row["scanner"] for row in read_rows(made.table)} == {"corvo-wall"}
    assert np.mean([header.PhotometricInterpretation == "MONOCHROME1" for header in headers]) > 0.5
    assert not made.unusable
    assert not (tmp_path / "masks").exists()


@pytest.mark.slow
def test_chexpert_layout_has_its_columns_folders_and_label_words(tmp_path):
    made = demos.make("csi", tmp_path, n=14, chexpert=True, workers=1)
    rows = read_rows(made.table, ",") + read_rows(made.table.with_name("valid.csv"), ",")
    assert len(rows) == made.n_samples
    assert list(rows[0])[:6] == ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", "No Finding"]
    assert len(rows[0]) == 19
    labels = {
        value for row in rows for key, value in row.items() if key in ("Edema", "Cardiomegaly", "Pleural Effusion")
    }
    assert {"1.0", "0.0"} < labels | {"x"}
    assert labels <= {"1.0", "0.0", "-1.0", ""}
    for row in rows:
        picture = Image.open(tmp_path / row["Path"])
        assert picture.mode == "L"
        assert b"SYNTHETIC" in picture.info["comment"]


def test_a_drawn_line_is_a_tube_of_the_stated_width():
    frame = Frame((80, 80), 0.1, (0.0, 0.0))
    path = draw(frame, [np.array([[-3.5, 0.03], [3.5, 0.03]])], 0.6)
    profile = path[:, 40]
    y = (np.arange(80) - 39.5) * 0.1 - 0.03
    expected = 2 * np.sqrt(np.clip(0.36 - y**2, 0, None))
    assert profile == pytest.approx(expected, abs=0.22)
    assert profile.sum() * 0.1 == pytest.approx(np.pi * 0.36, rel=0.08)
    turned = Frame((80, 80), 0.1, (0.3, -0.2), 0.2)
    assert turned.to_pixels(np.array([[0.3, -0.2]])) == pytest.approx(np.array([[39.5, 39.5]]))
    x, y2 = turned.grid()
    assert turned.to_pixels(np.array([[x[10, 60], y2[10, 60]]])) == pytest.approx(np.array([[10, 60]]), abs=1e-4)
    middles, lengths = along(np.array([[0.0, 0.0], [3.0, 4.0]]), 0.5)
    assert lengths.sum() == pytest.approx(5)
    assert tubes(frame, middles[:0], lengths[:0], lengths[:0]).sum() == 0


def test_what_does_not_exist_is_named(tmp_path):
    with pytest.raises(ScantuneError, match=r"site: 'c' is not one of a, b"):
        demos.make("csi", tmp_path, n=1, site="c")
    with pytest.raises(ScantuneError, match=r"readers: '3'"):
        demos.make("csi", tmp_path, n=1, readers=3)
