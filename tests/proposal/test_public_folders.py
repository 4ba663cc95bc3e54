"""Habits of public collections of pictures: test sets without masks, augmented files, copies, classes of few."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from scantune.proposal.blocks import propose
from scantune.records import ScantuneError
from tests.proposal.test_folders import labels
from tests.proposal.test_layouts import home as home
from tests.proposal.test_layouts import mask, picture, read, table


def membrane(augmented: str) -> None:
    """``train/image``, ``train/label`` and twice as many images without masks in ``test``."""
    for i in range(10):
        picture(f"train/image/{i}.png", i)
        mask(f"train/label/{i}.png", i)
        for k in range(2):
            picture(f"test/{i}{'_predict' * k}.png", 100 + 2 * i + k)
            if augmented:
                picture(f"train/{augmented}/image_{i}_{6144147 + k}.png", 200 + 2 * i + k)
                mask(f"train/{augmented}/mask_{i}_{6144147 + k}.png", 200 + 2 * i + k)


@pytest.mark.parametrize("augmented", ["", "aug", "augmented", "Augmentation_1"])
def test_a_test_set_without_masks_and_augmented_copies_are_left_out(home, augmented):
    membrane(augmented)
    proposed = propose(Path("raw"))
    _, records = read(proposed)
    assert [r.files[0].parent.name for r in records] == ["image"] * 10
    assert all(r.masks[0].name == r.files[0].name and r.masks[0].parent.name == "label" for r in records)
    assert any(note.startswith("20 images have no mask") for note in proposed.notes)
    assert any(note.startswith("40 files in folders of augmented images") for note in proposed.notes) == bool(augmented)


def test_a_folder_of_august_beside_other_months_is_used(home):
    for i in range(60):
        picture(f"{['Aug', 'Sep'][i // 30]}/{i}_{'ab'[i % 2]}.png", i)
    assert len(read(propose(Path("raw")))[1]) == 60


def test_few_masks_of_a_training_set_are_no_segmentation(home):
    for i in range(20):
        picture(f"train/image/{i}.png", i)
        if i < 4:
            mask(f"train/label/{i}.png", i)
    assert not propose(Path("raw")).blocks.get("experiments")


def test_copies_in_class_folders_are_left_out(home):
    for i in range(60):
        picture(f"{'train' if i < 40 else 'test'}/{'ab'[i % 2]}/{i}.png", i)
    shutil.copy("raw/test/a/40.png", "raw/train/a/copy of 40.png")
    proposed = propose(Path("raw"))
    _, records = read(proposed)
    assert labels(records) == {"a": 30, "b": 30}
    assert Counter(r.split for r in records) == {"train": 40, "test": 20}
    assert any("1 file is a copy of others" in note and "left out" in note for note in proposed.notes)


def test_pictures_that_were_saved_anew_are_copies(home):
    for i in range(60):
        picture(f"{'train' if i < 40 else 'test'}/{'ab'[i % 2]}/{i}.png", i)
    Image.open("raw/test/a/40.png").save("raw/train/a/saved.bmp")
    proposed = propose(Path("raw"))
    assert len(read(proposed)[1]) == 60
    assert any("train/a/saved.bmp = test/a/40.png" in note for note in proposed.notes)


def test_copies_of_two_classes_are_all_left_out(home):
    for i in range(60):
        picture(f"{'ab'[i % 2]}/{i}.png", i)
    shutil.copy("raw/a/0.png", "raw/b/0.png")
    proposed = propose(Path("raw"))
    assert labels(read(proposed)[1]) == {"a": 29, "b": 30}
    assert any("2 files that are the same have different targets (a/0.png, b/0.png)" in n for n in proposed.notes)


def test_copies_of_two_classes_in_a_table_are_all_left_out(home):
    for i in range(60):
        picture(f"{i}.png", i)
    shutil.copy("raw/0.png", "raw/60.png")
    table("labels.csv", "image,diagnosis", [(f"{i}.png", "ab"[i % 2] if i < 60 else "b") for i in range(61)])
    records = read(propose(Path("raw")))[1]
    assert len(records) == 59
    assert not {"0", "60"} & {r.files[0].stem for r in records}


@pytest.mark.parametrize(("counts", "kept", "said"), [
    ({"covid": 70, "sars": 5, "ards": 4, "none": 1}, {"covid", "sars", "ards"}, "fewer than 3 subjects (none 1)"),
    ({"covid": 70, "sars": 5, "ards": 8, "none": 1}, {"covid", "ards"}, "fewer than 6 subjects (none 1, sars 5)"),
    ({"covid": 80, "sars": 2, "ards": 2}, {"covid", "sars", "ards"}, "collect more"),
])  # fmt: skip
def test_classes_of_too_few_subjects_are_left_out_or_told(home, counts, kept, said):
    rows = [(f"{i}.png", value) for i, value in enumerate(v for v, n in counts.items() for _ in range(n))]
    for name, _ in rows:
        picture(name, int(name[:-4]))
    table("labels.csv", "image,finding", rows)
    proposed = propose(Path("raw"))
    assert set(read(proposed)[1][0].targets) == {"finding"}
    assert {r.targets["finding"] for r in read(proposed)[1]} == kept
    assert any(said in note for note in proposed.notes)


@pytest.mark.parametrize("line", ["img_{i:02d}", "img_{i:02d}.png", "./images/img_{i:02d}.png",
                                  "IMAGES\\img_{i:02d}.PNG"])  # fmt: skip
@pytest.mark.parametrize("masked", [True, False])
def test_lists_of_names_are_the_partitions(home, line, masked):
    lists({"train": range(36), "val": range(36, 44), "test": range(44, 60), "trainval": range(44)}, line, masked)
    proposed = propose(Path("raw"))
    _, records = read(proposed)
    expected = {f"img_{i:02d}": "train" if i < 36 else "validation" if i < 44 else "test" for i in range(60)}
    assert {r.files[0].stem: r.split for r in records} == expected
    assert any("sets/train.txt" in note and "name the partitions" in note for note in proposed.notes)


def test_lists_of_training_and_validation_together_train(home):
    lists({"train_val_list": range(44), "test_list": range(44, 60)}, "img_{i:02d}.png", masked=False)
    _, records = read(propose(Path("raw")))
    assert {r.split for r in records} == {"train", "test"}
    assert all((r.split == "test") == (int(r.files[0].stem[4:]) >= 44) for r in records)


@pytest.mark.parametrize(("sides", "said"), [
    ({"train": range(36), "test": range(36, 58)}, "they name 58 of 60 files"),
    ({"train": range(40), "test": range(36, 60)}, "a name is in two of them"),
])  # fmt: skip
def test_lists_that_are_not_of_each_file_once_are_told(home, sides, said):
    lists(sides, "img_{i:02d}", masked=False)
    proposed = propose(Path("raw"))
    assert {r.split for r in read(proposed)[1]} == {None}
    assert any(said in note for note in proposed.notes)


def lists(sides: dict[str, range], line: str, masked: bool) -> None:
    for i in range(60):
        picture(f"images/img_{i:02d}.png", i)
        if masked:
            mask(f"labels/img_{i:02d}.png", i)
    if not masked:
        table("boxes.csv", "image,finding", [(f"img_{i:02d}.png", "ab"[i % 2]) for i in range(60)])
    Path("raw/sets").mkdir()
    for side, numbers in sides.items():
        Path(f"raw/sets/{side}.txt").write_text("".join(line.format(i=i) + "\n" for i in numbers))


def test_several_tables_bear_the_name_that_was_asked_for(home):
    for i in range(60):
        picture(f"Lab {1 + i // 30}/{i}.png", i)
    for k in (1, 2):
        table(
            f"Labels of Lab {k}.csv",
            "image,finding",
            [(f"Lab {k}/{30 * (k - 1) + i}.png", "ab"[i % 2]) for i in range(30)],
        )
    assert set(propose(Path("raw"), name="cells").blocks["experiments"]) == {"cells_1", "cells_2"}
    assert set(propose(Path("raw")).blocks["experiments"]) == {"Labels_of_Lab_1", "Labels_of_Lab_2"}


def test_a_folder_without_tables_bears_the_name_that_was_asked_for(home):
    for i in range(60):
        picture(f"{'ab'[i % 2]}/{i}.png", i)
    assert set(propose(Path("raw"), name="cells").blocks["experiments"]) == {"cells"}


def test_pictures_that_share_a_mask_are_no_samples_of_their_own(home):
    for i in range(12):
        picture(f"input/ISIC_{i:04d}.png", i)
        picture(f"input/ISIC_{i:04d}_superpixels.png", 100 + i)
        mask(f"truth/ISIC_{i:04d}_segmentation.png", i)
    proposed = propose(Path("raw"))
    _, records = read(proposed)
    assert len(records) == 12
    assert not any("superpixels" in record.files[0].name for record in records)
    assert any(note.startswith("12 pictures beside others of the same mask not used") for note in proposed.notes)


def test_low_numbers_in_masks_of_jpeg_are_classes(home):
    Path("raw/masks").mkdir(parents=True)
    for i in range(6):
        picture(f"images/{i}.png", i)
        drawn = Image.new("L", (64, 64))
        drawn.paste(1, (8, 8, 24, 24))
        drawn.paste(2, (32, 8, 48, 24))
        drawn.save(f"raw/masks/{i}.jpg", quality=100)
    params, _ = read(propose(Path("raw")))
    ((_, experiment),) = params.experiments.items()
    assert experiment.task.classes == ("background", "label_1", "label_2")


def test_masks_of_jpeg_have_no_classes_of_ringing(home):
    for i in range(8):
        picture(f"images/{i}.png", i)
        drawn = Image.new("L", (64, 64))
        drawn.paste(255, (8 + i, 8, 40, 33 + i))
        Path("raw/masks").mkdir(parents=True, exist_ok=True)
        drawn.save(f"raw/masks/{i}.jpg", quality=98)
    params, _ = read(propose(Path("raw")))
    ((_, experiment),) = params.experiments.items()
    assert experiment.task.classes == ("background", "foreground")


def test_tables_that_tell_of_files_alone_do_not_part_the_folder(home):
    for kind in ("COVID", "Normal", "Viral"):
        rows = []
        for i in range(8):
            picture(f"{kind}/images/{kind}-{i}.png", 10 * ord(kind[0]) + i)
            mask(f"{kind}/masks/{kind}-{i}.png", i)
            rows.append((f"{kind}-{i}", "PNG", "256*256", f"https://example.org/{i}"))
        table(f"{kind}.metadata.csv", "FILE NAME,FORMAT,SIZE,URL", rows)
    proposed = propose(Path("raw"))
    _, records = read(proposed)
    assert len(records) == 24
    assert sum(note.endswith("tells of the files alone: not used") for note in proposed.notes) == 3


def test_the_one_table_that_is_used_bears_the_name_that_was_asked_for(home):
    for i in range(24):
        picture(f"train/{i * 7919:08x}.png", i)
        picture(f"test/{i * 104729:09x}x.png", 100 + i)
    table("train_labels.csv", "id,label", [(f"{i * 7919:08x}", i % 2) for i in range(24)])
    table("sample_submission.csv", "id,label", [(f"{i * 104729:09x}x", 0) for i in range(24)])
    proposed = propose(Path("raw"), name="mine")
    assert list(proposed.blocks["datasets"]) == list(proposed.blocks["experiments"]) == ["mine"]
    assert any(note.startswith("sample_submission.csv is not used") for note in proposed.notes)


def test_paths_of_the_files_before_their_conversion_lead_to_the_folders_they_name(home):
    """As in CBIS-DDSM: two tables name DICOM files, and JPEG files of other names lie in folders by the series."""
    for side, numbers in (("train", range(24)), ("test", range(24, 36))):
        rows = []
        for i in numbers:
            series = f"1.3.6.1.4.1.9590.{1000 + 37 * i}"
            picture(f"jpeg/{series}/1-{100 + i % 5}.png", i)
            rows.append(
                (f"P_{i // 2:05d}", ("BENIGN", "MALIGNANT")[i // 2 % 2], f"Mass_P_{i // 2}/9.9.{i}/{series}/0.dcm")
            )
        table(f"mass_{side}_set.csv", "patient_id,pathology,image file path", rows)
    _, records = read(propose(Path("raw")))
    assert (len(records), len({record.subject_id for record in records})) == (36, 18)
    assert {record.split for record in records} == {"train", "test"}
    for record in records:
        number = (int(record.files[0].parts[-2].rpartition(".")[2]) - 1000) // 37
        assert record.targets["pathology"] == ("BENIGN", "MALIGNANT")[number // 2 % 2]


def test_what_lies_in_place_of_images_is_told(home):
    Path("raw").mkdir()
    Path("raw/pneumoniamnist.npz").write_bytes(b"PK")
    with pytest.raises(ScantuneError, match=r"\.npz 1: scantune convert medmnist FILE"):
        propose(Path("raw"))


@pytest.mark.parametrize("content", [b"", None])
def test_files_without_content_and_one_image_under_all_names_are_told(home, content):
    for i in range(40):
        picture(f"{i // 10}/{i}.png", 0)
        if content is not None:
            Path(f"raw/{i // 10}/{i}.png").write_bytes(content)
    table("labels.csv", "file,label", [(f"{i}.png", i % 2) for i in range(40)])
    with pytest.raises(ScantuneError, match="no image is left" if content is None else "the file is empty"):
        propose(Path("raw"))


@pytest.mark.parametrize("lacking", [False, True])
def test_lists_of_subjects_are_the_partitions(home, lacking):
    for i in range(16):  # CAMUS
        for k, view in enumerate(("2CH_ED", "2CH_ES", "4CH_ED")):
            picture(f"database/patient{i:04d}/patient{i:04d}_{view}.png", 9 * i + k)
            mask(f"database/patient{i:04d}/patient{i:04d}_{view}_gt.png", 9 * i + k)
    sides = {"training": range(1 if lacking else 0, 10), "validation": range(10, 13), "testing": range(13, 16)}
    for side, numbers in sides.items():
        Path(f"raw/subgroup_{side}.txt").write_text("".join(f"patient{i:04d}\n" for i in numbers))
    proposed = propose(Path("raw"))
    _, records = read(proposed)
    assert len(records) == 48
    if lacking:
        assert any("they name 45 of 48 samples" in note for note in proposed.notes)
        return
    assert Counter(record.split for record in records) == {"train": 30, "validation": 9, "test": 9}
