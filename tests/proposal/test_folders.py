"""Folders as people leave them: spellings of classes, links, pictures without a class, visits, two tables."""

from __future__ import annotations

import gzip
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from scantune.proposal.blocks import propose
from scantune.records import ScantuneError
from tests.proposal.test_layouts import home as home
from tests.proposal.test_layouts import mask, picture, read, table, volume

N = 60


def labels(records) -> Counter[str]:
    return Counter(record.targets["label"] for record in records)


@pytest.mark.parametrize(
    ("training", "test"),
    [
        (("Benign", "Malignant"), ("benign", "malignant")),
        (("no tumour", "tumour"), ("no_tumour", "Tumour ")),
        (("M\u00fcde", "wach"), (unicodedata.normalize("NFD", "M\u00fcde"), "wach")),
    ],
)
@pytest.mark.parametrize("sides", [("train/", "test/"), ("", "")])
def test_spellings_of_a_class_are_one_class(home, training, test, sides):
    for i in range(N):
        later = i >= 40
        picture(f"{sides[later]}{(test if later else training)[i % 2]}/{i}.png", i)
    _, records = read(propose(Path("raw")))
    assert sorted(labels(records).values()) == [30, 30]


def test_a_folder_of_one_picture_is_no_class(home):
    for i in range(N):
        picture(f"{'ab'[i % 2] if i else 'rare'}/{i}.png", i)
    proposed = propose(Path("raw"))
    assert set(labels(read(proposed)[1])) == {"a", "b"}
    assert any("rare 1" in note for note in proposed.notes)


def test_pictures_without_a_class_beside_class_folders_are_left_out_and_counted(home):
    for i in range(N):
        picture(f"train/{'ab'[i % 2]}/{i}.png" if i < 45 else f"test/{i}.png", i)
    proposed = propose(Path("raw"))
    assert labels(read(proposed)[1]) == {"a": 23, "b": 22}
    assert any(note.startswith("15 images have no folder of a class") for note in proposed.notes)


def test_links_to_files_are_followed_and_those_to_folders_told(home):
    Path("store").mkdir()
    for i in range(N):
        folder = "ab"[i % 2]
        picture(f"{folder}/{i}.png", i)
        Path("raw", folder, f"{i}.png").rename(f"store/{i}.png")
        Path("raw", folder, f"{i}.png").symlink_to(Path(f"store/{i}.png").absolute())
    Path("raw/c").symlink_to(Path("store").absolute())
    proposed = propose(Path("raw"))
    assert len(read(proposed)[1]) == N
    assert any("(c)" in note and "links" in note for note in proposed.notes)


def test_names_with_umlauts_in_two_forms(home):
    for i in range(N):
        picture(unicodedata.normalize("NFD", f"bilder/M\u00fcller {i}.png"), i)
    table("t.csv", "Datei,Diagnose", [(f"M\u00fcller {i}.png", ("krank", "gesund")[i // 2 % 2]) for i in range(N)])
    assert len(read(propose(Path("raw")))[1]) == N


@pytest.mark.parametrize("folder", ["ses-{:02d}", "visit{}", "V{}", "day {}", "baseline{}"])
def test_visits_are_no_classes(home, folder):
    for i in range(N):
        picture(f"P{i // 2:02d}/{folder.format(i % 2)}/x.png", i)
    proposed = propose(Path("raw"))
    assert "experiments" not in proposed.blocks
    assert len({record.subject_id for record in read(proposed)[1]}) == N // 2


BIDS = "sub-{0:02d}/ses-{1:02d}/anat/sub-{0:02d}_ses-{1:02d}_T1w.nii.gz"


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("im/P{:02d}_V{}.png", lambda k, v: (f"P{k:02d}", v)),
        ("im/P{:02d}/visit{}/x.png", lambda k, v: (f"P{k:02d}", v)),
        ("im/{:03d}_{:02d}.png", lambda k, v: (k, v)),
        (BIDS, lambda k, v: (f"sub-{k:02d}", v)),
        (BIDS, lambda k, v: (f"sub-{k:02d}", f"ses-{v:02d}")),
    ],
)
def test_a_row_for_each_visit_leads_to_its_own_file(home, name: str, row: Callable[[int, int], tuple[object, ...]]):
    score = {(k, v): 10 * k + v for k in range(12) for v in (1, 2)}
    for (k, v), n in score.items():
        (volume if name == BIDS else picture)(name.format(k, v), n)
    table("t.csv", "patient,visit,mmse", [(*row(k, v), n) for (k, v), n in score.items()])
    _, records = read(propose(Path("raw")))
    found = {str(record.files[0].relative_to(Path("raw").absolute())): record.targets["mmse"] for record in records}
    assert found == {name.format(k, v): str(n) for (k, v), n in score.items()}
    assert len({record.subject_id for record in records}) == 12


def test_ids_of_two_tables_may_differ_in_zeros_and_contradictions_are_told(home):
    for i in range(N):
        picture(f"images/{i:03d}.png", i)
    table("a.csv", "patient_id,file,sex", [(f"{i // 2:03d}", f"{i:03d}.png", "fm"[i // 2 % 2]) for i in range(N)])
    table("b.csv", "patient_id,outcome,sex", [(i, i // 3 % 2, "f") for i in range(N // 2)])
    proposed = propose(Path("raw"))
    _, records = read(proposed)
    assert [r.targets["outcome"] for r in records] == [str(i // 6 % 2) for i in range(N)]
    assert any("b.csv has other cells in 'sex' for 30 of 60 rows" in note for note in proposed.notes)


BIDS = "sub-{i:02d}/anat/sub-{i:02d}_T1w.nii.gz"


def bids(image: Callable[[str, int], None], n: int = 8) -> None:
    for i in range(n):
        image(BIDS.format(i=i), i)
    rows = [(f"sub-{i:02d}", "MF"[i % 2], ("patient", "control")[i // 2 % 2]) for i in range(n)]
    table("participants.tsv", "participant_id,sex,group", rows, "\t")


def stub(content: bytes) -> Callable[[str, int], None]:
    def write(path: str, seed: int) -> None:
        Path("raw", path).parent.mkdir(parents=True, exist_ok=True)
        Path("raw", path).write_bytes(content)

    return write


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\n", "shorter than the header"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "git lfs pull"),
        (b"/annex/objects/MD5E-s9--d41d8cd98f00b204e9800998ecf8427e.nii.gz\n", "datalad get"),
    ],
)
def test_images_without_their_content_are_counted_and_told(home, content, reason):
    bids(stub(content))
    with pytest.raises(ScantuneError, match=rf"no images below.*8 files have an image's ending.*{reason}"):
        propose(Path("raw"))


def test_links_into_an_annex_that_was_not_fetched_are_told(home):
    def link(path: str, seed: int) -> None:
        Path("raw", path).parent.mkdir(parents=True, exist_ok=True)
        Path("raw", path).symlink_to(f"../../.git/annex/objects/a/b/MD5E-s{seed}/MD5E-s{seed}.nii.gz")

    bids(link)
    with pytest.raises(ScantuneError, match=r"8 files have an image's ending.*datalad get"):
        propose(Path("raw"))


def test_pictures_beside_volumes_without_content_are_used_and_the_volumes_told(home):
    bids(stub(b""))
    Path("raw/participants.tsv").unlink()
    for i in range(8):
        picture(f"sub-{i:02d}/figure.png", i)
    notes = propose(Path("raw")).notes
    assert any("8 files have an image's ending" in note and "empty" in note for note in notes)


def test_packed_tables_beside_volumes_are_no_images(home):
    bids(volume)
    for i in range(8):
        for ending in ("physio.tsv.gz", "stim.csv.gz", "raw.tar.gz"):
            Path(f"raw/sub-{i:02d}/anat/sub-{i:02d}_{ending}").write_bytes(gzip.compress(b"1\t2\n3\t4\n"))
    proposed = propose(Path("raw"))
    assert labels_of(proposed) == 8
    assert not any("several series" in note for note in proposed.notes)


def labels_of(proposed) -> int:
    return len(read(proposed)[1])


@pytest.mark.parametrize(
    "ending", ["T1w_seg-manual", "T1w_label-lesion_mask", "T1w_dseg", "space-T1w_label-GM_probseg"]
)
@pytest.mark.parametrize("n", [3, 8])
def test_masks_of_derivatives_are_never_samples_of_a_classification(home, ending, n):
    bids(volume, n=8)
    for i in range(n):
        volume(f"derivatives/labels/sub-{i:02d}/anat/sub-{i:02d}_{ending}.nii.gz", i, labels=True)
    proposed = propose(Path("raw"))
    _, records = read(proposed)
    assert not [file for record in records for file in record.files if "derivatives/labels" in file.as_posix()]


def test_a_folder_of_masks_alone_is_told(home):
    for i in range(8):
        volume(f"derivatives/labels/sub-{i:02d}/anat/sub-{i:02d}_T1w_seg-manual.nii.gz", i, labels=True)
    rows = [(f"sub-{i:02d}", ("patient", "control")[i // 2 % 2]) for i in range(8)]
    table("participants.tsv", "participant_id,group", rows, "\t")
    assert any("named as masks" in note for note in propose(Path("raw")).notes)


@pytest.mark.parametrize(
    ("folder", "person"),
    [
        (lambda i: f"OAS1_{i // 2:04d}_MR{i % 2 + 1}", lambda i: i // 2),
        (lambda i: f"PAT{i // 2:03d}_{1000 + i}", lambda i: i // 2),
        (lambda i: f"{i // 2:03d}-{('left', 'right')[i % 2]}", lambda i: i // 2),
        (lambda i: f"HC_{i:03d}", lambda i: i),
    ],
)
def test_folders_of_one_person_are_one_subject(home, folder, person):
    """Two visits, studies or eyes of a person are never on two sides of a split."""
    for i in range(24):
        for k in range(3):
            picture(f"frames/{folder(i)}/{k}.png", 10 * i + k)
            picture(f"masks/{folder(i)}/{k}.png", 10 * i + k)
    proposed = propose(Path("raw"))
    (source,) = proposed.tables.values()
    subjects = {row["file"].split("/")[-2]: row["subject"] for row in source.rows}
    expected = {folder(i): person(i) for i in range(24)}
    assert {a: {b for b in subjects if subjects[b] == subjects[a]} for a in subjects} == {
        a: {b for b in expected if expected[b] == expected[a]} for a in expected
    }


@pytest.mark.parametrize(
    ("named", "drawn"),
    [
        ("P{:02d}_{:03d}.png", "P{:02d}_{:03d}_mask.png"),
        ("img_P{:02d}_{:03d}.png", "mask_P{:02d}_{:03d}.png"),
        ("{:02d}-{:03d}_image.png", "{:02d}-{:03d}_gt.png"),
        ("P{:02d} ({}).png", None),
        ("CT_{:02d}_{}.png", None),
        ("images/P{:02d}_{}.png", "masks/P{:02d}_{}.png"),
    ],
)
def test_names_that_begin_alike_are_one_subject_in_a_flat_folder_too(home, named, drawn):
    for i in range(8):
        for k in range(1, 7):
            picture(named.format(i, k), 10 * i + k)
            if drawn:
                mask(drawn.format(i, k), 10 * i + k)
    _, records = read(propose(Path("raw")))
    images: dict[str, set[str]] = {}
    for record in records:
        person = re.search(r"\d\d(?=[_ -])", record.files[0].name)
        images.setdefault(record.subject_id, set()).add(person[0])
    assert len(records) == 48
    assert sorted(images.values(), key=min) == [{f"{i:02d}"} for i in range(8)]
