import csv
import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from scantune import demos, io
from scantune.preprocess.mask_rule import MaskRule
from scantune.preprocess.masks import merged
from scantune.records import ReadError, ScantuneError
from scantune_phantoms.angio import detector
from scantune_phantoms.angio.frame import anatomy_of, cut, make_frame
from scantune_phantoms.angio.projection import Aim, outline, thickness
from scantune_phantoms.angio.subjects import draw_subject
from scantune_phantoms.angio.tree import Course, narrow
from scantune_phantoms.cohort import generator

SITE_A = ("alba-flat", "brisa-tube")

ONE_LABEL = MaskRule(labels=(1,), empty="exclude")


def subject_of(number, seed=0, *, confounder=False):
    return draw_subject(generator(seed, "angio", "a", number, "subject"), number, SITE_A, confounder=confounder)


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return demos.make("angio", tmp_path_factory.mktemp("angio"), n=24, edge=96, workers=1)


@pytest.fixture(scope="module")
def rows(made):
    return list(csv.DictReader(made.table.open(encoding="utf-8")))


@pytest.mark.slow
def test_table_names_files_that_read_with_their_masks(made, rows):
    assert len(rows) == made.n_samples
    assert len({row["subject"] for row in rows}) == made.n_subjects == 24
    for row in rows:
        if row["sample_id"] in made.unusable:
            continue
        image = io.read(made.folder / row["file"])
        assert image.array.shape == (1, 96, 96)
        assert image.facts["modality"] == "XA"
        mask, _ = merged([np.asarray(Image.open(made.folder / row["mask"]))], (96, 96), ONE_LABEL)
        assert 0.003 < mask.mean() < 0.2


@pytest.mark.slow
def test_columns_say_what_the_frame_shows(rows):
    assert {row["view"] for row in rows} == {"LAO", "RAO"}
    for row in rows:
        assert (row["view"] == "LAO") == (float(row["primary_angle"]) > 0)
        assert row["severe"] == str(int(int(row["stenosis"]) >= 50))
        assert row["artery"] in ("LCA", "RCA")
        assert row["site"] == "a"
        assert row["scanner"] in SITE_A
    assert {row["severe"] for row in rows} == {"0", "1"}


def test_unusable_files_are_unusable_in_three_ways(made, rows):
    place = {row["sample_id"]: row for row in rows}
    assert set(made.unusable.values()) == {"mask of another size", "file cut short", "empty mask"}
    for sample_id, what in made.unusable.items():
        row = place[sample_id]
        mask = np.asarray(Image.open(made.folder / row["mask"]))
        if what == "file cut short":
            with pytest.raises(ReadError):
                io.read(made.folder / row["file"])
        else:
            with pytest.raises(ReadError, match=r"the mask is empty|84×96 where its image is 96×96"):
                merged([mask], (96, 96), ONE_LABEL)


def test_what_is_written_depends_on_the_seed_alone(tmp_path):
    for name, options in {"one": {"workers": 1}, "two": {"workers": 2}, "other": {"seed": 1, "workers": 1}}.items():
        demos.make("angio", tmp_path / name, n=2, edge=48, **options)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    one, other = digests(tmp_path / "one"), digests(tmp_path / "other")
    assert not {one[path] for path in one if path.endswith(".dcm")} & set(other.values())


def test_more_subjects_leave_the_first_as_they_were(tmp_path):
    for n in (2, 4):
        demos.make("angio", tmp_path / str(n), n=n, edge=64, workers=1)
    few, many = digests(tmp_path / "2" / "images"), digests(tmp_path / "4" / "images")
    assert few == {path: many[path] for path in few}


def test_files_say_that_they_are_synthetic(made):
    assert b"SYNTHETIC" in next((made.folder / "images").glob("*-1.dcm")).read_bytes()
    assert "Synthetic" in (made.folder / "README.md").read_text(encoding="utf-8")


def test_vessels_are_darker_than_what_is_beside_them():
    import cv2

    contrasts = []
    for number in range(1, 9):
        frame = make_frame(0, "a", subject_of(number), 0, size=128, confounder=False)
        near = cv2.dilate(frame.mask.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool) & ~frame.mask
        contrasts.append(float(frame.pixels[near].mean() - frame.pixels[frame.mask].mean()))
    assert min(contrasts) > 3
    assert np.mean(contrasts) > 12


def test_other_site_has_other_people_and_more_noise(tmp_path):
    def roughness(site, scanner):
        grain = []
        for number in range(1, 6):
            rng = generator(0, "angio", site, number, "subject")
            subject = draw_subject(rng, number, (scanner,), confounder=False)
            picture = make_frame(0, site, subject, 0, size=128, confounder=False).pixels.astype(float)
            middle = picture[32:96, 32:96]
            grain.append(np.median(np.abs(np.diff(middle, axis=1))))
        return np.mean(grain)

    assert roughness("b", "corvo-flat") > 1.3 * roughness("a", "alba-flat")


def test_one_person_has_one_tree_in_all_views():
    subject = subject_of(3)
    (heart, tree), (again, same) = (anatomy_of(0, "a", subject, "LCA") for _ in range(2))
    assert np.array_equal(cut(tree, heart).points, cut(same, again).points)


def test_branches_leave_their_parents_and_taper():
    for artery in ("LCA", "RCA"):
        heart, tree = anatomy_of(0, "a", subject_of(5), artery)
        whole = cut(tree, heart)
        assert whole.points.shape == (len(whole.radius), 3)
        for course in tree.courses:
            if course.parent >= 0:
                parent = tree.courses[course.parent]
                assert course.reach[0] == pytest.approx(parent.reach[course.leaves_at])
        longest = max(tree.courses, key=lambda course: len(course.radius))
        assert np.median(longest.radius[:20]) > np.median(longest.radius[-20:])
        gaps = np.linalg.norm(np.diff(whole.points, axis=0), axis=1)
        assert np.median(gaps) < 0.08


def straight(radius=0.2, count=200):
    line = np.linspace(0, 1, count)
    return Course(
        "LAD",
        line,
        line,
        np.ones(count),
        np.zeros((count, 3)),
        np.full(count, radius),
        ("6",) * count,
        -1,
        -1,
        6 * line,
    )


def test_a_stenosis_narrows_by_its_severity():
    rng = np.random.default_rng(0)
    tree = narrow(rng, "LCA", (straight(),), [0.7])
    assert tree.courses[0].radius.min() == pytest.approx(0.2 * 0.3, rel=0.02)
    assert tree.worst == 0.7
    assert tree.lesions[0].segment == "6"
    assert narrow(rng, "LCA", (straight(),), []).worst == 0.0


def test_nothing_is_filled_beyond_an_occlusion():
    tree = narrow(np.random.default_rng(1), "LCA", (straight(),), [1.0])
    radius = tree.courses[0].radius
    closed = np.flatnonzero(radius == 0)
    assert len(closed)
    assert np.array_equal(closed, np.arange(closed[0], len(radius)))


def test_a_tube_across_the_beam_is_as_thick_as_its_chord():
    at = np.arange(4, 60, 0.25)
    centres = np.stack([np.full(len(at), 32.0), at], axis=1)
    radius = np.full(len(at), 5.0)
    pixel = 0.1  # cm: a piece of 0.25 pixels
    drawn = thickness(centres, radius, np.pi * radius**2 * 0.25 * pixel, 64)
    for away in (0, 2, 4):
        chord = 2 * np.sqrt(25 - away**2) * pixel
        assert drawn[32 + away, 30] == pytest.approx(chord, rel=0.05)
    assert drawn[32 + 8, 30] == 0
    assert ((outline(centres, radius, 64) > 0)[:, 30]).sum() == 9


def test_the_arm_sees_left_and_head_where_they_are():
    for primary in (-30.0, 0.0, 45.0):
        aim = Aim(primary, 0.0, 100, 0.1, np.zeros(3))
        (left, head), _ = aim.to_pixels(np.array([[1.0, 0, 0], [0, 0, 1.0]]))
        assert left[1] > 49.5  # the patient's left at the picture's right
        assert head[0] < 49.5
        assert np.allclose(aim.axes @ aim.axes.T, np.eye(3))
    from_left = Aim(45.0, 0.0, 100, 0.1, np.zeros(3))
    spine, _ = from_left.to_pixels(np.array([[0, 7.0, 0]]))
    assert spine[0, 1] > 49.5  # in LAO the spine is at the right


def test_confounder_ties_machine_to_narrowing_and_leaves_letters():
    def agreement(confounder):
        subjects = [subject_of(number, confounder=confounder) for number in range(1, 120)]
        ill = [max((s for shot in p.shots for s in p.severities[shot.artery]), default=0) >= 0.5 for p in subjects]
        return np.mean([(p.scanner == "brisa-tube") == sick for p, sick in zip(subjects, ill)])

    assert agreement(True) > 0.88
    assert agreement(False) < 0.7
    person = next(p for p in (subject_of(k) for k in range(1, 30)) if p.scanner == "brisa-tube")
    plain, marked = (make_frame(0, "a", person, 0, size=128, confounder=c).pixels.astype(int) for c in (False, True))
    changed = np.zeros((128, 128), bool)
    changed[detector.marker_box(128)] = True
    assert (plain - marked)[changed].max() > 25
    assert np.array_equal(plain[~changed], marked[~changed])


def test_arcade_layout_has_polygons_of_named_segments(tmp_path):
    made = demos.make("angio", tmp_path, n=10, edge=96, layout="arcade", workers=1)
    assert made.table is None
    count = 0
    for side in ("train", "val", "test"):
        content = json.loads((tmp_path / "syntax" / side / "annotations" / f"{side}.json").read_text())
        assert len(content["categories"]) == 26
        assert content["categories"][25] == {"id": 26, "name": "stenosis", "supercategory": ""}
        for image in content["images"]:
            assert (tmp_path / "syntax" / side / "images" / image["file_name"]).is_file()
            own = [a for a in content["annotations"] if a["image_id"] == image["id"]]
            assert own
            for annotation in own:
                x, y, width, height = annotation["bbox"]
                assert min(x, y) >= 0
                assert max(x + width, y + height) < 96
        count += len(content["images"])
    assert count == made.n_samples


def test_volumes_hold_connected_vessels_in_hounsfield_units(tmp_path):
    from scipy import ndimage

    made = demos.make("angio", tmp_path, n=1, edge=64, ndim=3, workers=1)
    (row,) = csv.DictReader(made.table.open())
    scan, mask = io.read(tmp_path / row["file"]), io.read(tmp_path / row["mask"])
    assert scan.array.shape == mask.array.shape == (64, 64, 64)
    assert np.allclose(scan.affine, mask.affine)
    assert scan.spacing == pytest.approx((2.0, 2.0, 2.0))
    vessel = mask.array > 0
    assert set(np.unique(mask.array)) == {0.0, 1.0}
    assert -1100 < scan.array.min() < -700
    around = ndimage.binary_dilation(vessel, iterations=2) & ~vessel
    assert scan.array[vessel].mean() > scan.array[around].mean() + 60
    labels, _ = ndimage.label(vessel, np.ones((3, 3, 3)))
    sizes = np.sort(np.bincount(labels.ravel())[1:])[::-1]
    assert sizes[:2].sum() > 0.6 * vessel.sum()


@pytest.mark.parametrize("options", [{"site": "c"}, {"layout": "coco"}, {"ndim": 4}, {"edge": 20}, {"n": 0}])
def test_options_out_of_range_are_named(tmp_path, options):
    (name,) = options
    with pytest.raises(ScantuneError, match=name):
        demos.make("angio", tmp_path, **options)
