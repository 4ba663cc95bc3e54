"""A changed key of a dataset, a split or an input changes what the stage writes, run in earnest on a tiny cohort."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import yaml

from scantune import io, preprocess
from scantune.config.base import SAVED
from scantune.config.dataset import DatasetConfig, SplitConfig
from scantune.config.input import ImageInput, VideoInput, VolumeInput
from scantune.preprocess.agreement import INPUT, write_input
from scantune.records import Record
from tests.stages.conftest import run_stages

DATASET = {
    "root": "raw", "watch": "raw", "table": "t.csv", "files": "{file}", "sample": "{id}", "subject": "person",
    "targets": {"label": "label", "grade": "grade"}, "groups": ["sex", "site", "age"], "order": "date",
    "split": {"method": "random", "fractions": [0.5, 0.25, 0.25], "seed": 1},
}  # fmt: skip
#: Key of a dataset to another value, and what must change by it: what preprocess writes, what split writes.
DATASET_KEYS: dict[str, tuple[object, set[str]]] = {
    "table": ("corrected.csv", {"cache", "splits"}),
    "header": (1, set()),  # where it is anyway
    "separator": (",", set()),  # which the header shows already
    "decimal": (",", {"cache"}),
    "files": ("{other}", {"cache"}),
    "masks": ("{mask}", {"cache"}),
    "series": ({"name": "{series}", "by": "uid"}, set()),  # of DICOM files
    "follow_links": (True, set()),  # there are no links
    "index": ("raw/index.csv", set()),  # whose digests are those of the files
    "subject": ("date", {"cache", "splits"}),
    "join_ids": (True, set()),  # no person has an id in two forms
    "volume": ({"name": "{series}", "by": "index"}, set()),  # of series of several volumes
    "sample": ("{id}-{person}", {"cache", "splits"}),
    "pseudonyms": ({}, {"cache", "splits"}),
    "targets": ({"label": "grade"}, {"cache"}),
    "groups": (["sex"], {"cache"}),
    "bands": ({"age": [40]}, {"cache"}),
    "raters": (["reader"], {"cache"}),
    "where": ({"site": ["A", "B"]}, {"cache", "splits"}),
    "recode": ({"label": {"x": "w"}}, {"cache"}),
    "order": ("age", {"cache"}),
    "max_excluded_fraction": (0.5, set()),  # nothing is left out
    "max_table_megabytes": (50, set()),  # the table is small
}
#: They say where things are, or belong to class folders, and are tested there.
ELSEWHERE = {"root", "watch", "class_folders", "subject_from", "split"}
ELSEWHERE |= {"sheet"}  # of an Excel file, and refused of others: tests/cohort/test_table.py
ELSEWHERE |= {"region", "rater_masks"}  # they stand beside masks: tests/preprocess/test_masks_beside.py
GROUP_OUT = {"method": "group_out", "group": "site", "test": ["A"]}
PREDEFINED = {"method": "predefined", "columns": "side", "rest": "leave_out"}
TWO_SIDES = PREDEFINED | {"columns": {"train": "yes", "validation": "no"}}
LOOSE = {"near_duplicate_correlation": 0.1, "near_duplicate_bits": 32}
#: Key of a split to settings before and after.
SPLIT_KEYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "method": ({}, {"method": "temporal"}),
    "on": ({"method": "stratified", "on": "label"}, {"method": "stratified", "on": "site"}),
    "balance": ({"method": "stratified", "on": "label"}, {"method": "stratified", "on": "label", "balance": "sex"}),
    "bins": ({"method": "stratified", "on": "grade", "bins": 2}, {"method": "stratified", "on": "grade", "bins": 6}),
    "fractions": ({}, {"fractions": [0.25, 0.25, 0.5]}),
    "train_fraction": ({}, {"train_fraction": 0.75, "fractions": None}),  # of which one alone may stand
    "seed": ({}, {"seed": 2}),
    "folds": ({}, {"folds": 3}),
    "group": (GROUP_OUT, GROUP_OUT | {"group": "sex", "test": ["F"]}),
    "test": (GROUP_OUT, GROUP_OUT | {"test": ["B"]}),
    "validation": (GROUP_OUT, GROUP_OUT | {"validation": ["B"]}),
    "columns": (PREDEFINED, PREDEFINED | {"columns": {"train": "yes", "validation": "no", "test": "maybe"}}),
    "rest": (PREDEFINED, PREDEFINED | {"rest": "test"}),
    "fill": (TWO_SIDES | {"fill": {"test": 0.2}}, TWO_SIDES | {"fill": {"test": 0.6}}),
    "near_duplicate_correlation": ({"near_duplicate_bits": 32}, LOOSE),
    "near_duplicate_bits": (LOOSE | {"near_duplicate_bits": 0}, LOOSE),
    "interval_half_width": ({}, {"interval_half_width": 0.4}),
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Twenty-four pictures of twelve people; two tables that differ in one label."""
    home = tmp_path_factory.mktemp("outputs")
    generator = np.random.default_rng(0)
    rows, base = [], generator.integers(0, 90, (12, 12), np.uint8)
    for number in range(24):
        person = number // 2
        for folder in ("a", "b"):
            picture = base + generator.integers(0, 160, (12, 12), np.uint8)
            io.write_png(home / "raw" / folder / f"{number}.png", picture)
        io.write_png(home / "raw/masks" / f"{number}.png", np.eye(12, dtype=np.uint8))
        rows.append(
            {
                "id": f"s{number:02d}", "file": f"a/{number}.png", "other": f"b/{number}.png",
                "mask": f"masks/{number}.png", "person": f"p{person:02d}", "label": "xy"[person % 2],
                "grade": f"{(person * 7) % 12 + 0.5}".replace(".", ","), "reader": str(person % 3),
                "sex": "FM"[person // 2 % 2], "site": "ABC"[person % 3], "age": str(20 + 5 * person),
                "date": f"20{30 - person}-01-01", "side": ("train", "val", "test", "")[person % 4],
                "yes": int(person < 6), "no": int(6 <= person < 9), "maybe": int(person >= 9), "series": "",
            }
        )  # fmt: skip
    for name in ("t.csv", "corrected.csv"):
        lines = [",".join(rows[0])]
        for row in rows:
            lines.append(",".join(f'"{value}"' for value in row.values()))
        (home / "raw" / name).write_text("\n".join(lines) + "\n")
        rows[0] |= {"label": "z", "person": "p99"}
    return home


def written(home: Path, monkeypatch, dataset: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What preprocess and split write, but for what is of the run."""
    monkeypatch.setenv("SCANTUNE_KEY", "secret, and sixteen")
    prepare = {"dataset": "d", "modality": "image", "shape": [8, 8], "workers": 1, "backend": "threads"}
    params = {"datasets": {"d": dataset}, "inputs": {"d": prepare}, "experiments": {}}
    params["watched"] = {"own_index": {"dataset": "d", "path": "raw"}}
    (home / "params.yaml").write_text(yaml.safe_dump(params))
    run_stages(home, "preprocess d", "split d")
    cache = {name: (home / "data/cache/d" / name).read_text() for name in ("manifest.csv", "digests.csv")}
    splits = {path.name: path.read_text() for path in sorted((home / "data/splits/d").iterdir()) if path.is_file()}
    return {"cache": cache, "splits": {"splits.csv": splits.pop("splits.csv")}, "audit": splits}


def differing(first: dict[str, Any], second: dict[str, Any]) -> set[str]:
    return {name for name in first if first[name] != second[name]}


@pytest.fixture(scope="module")
def plain(home) -> dict[str, dict[str, str]]:
    with pytest.MonkeyPatch.context() as patch:
        return written(home, patch, DATASET)


def test_every_key_of_a_dataset_and_a_split_is_in_these_tables():
    assert set(DATASET_KEYS) | ELSEWHERE == set(DatasetConfig.model_fields)
    assert set(SPLIT_KEYS) == set(SplitConfig.model_fields)


@pytest.mark.parametrize("key", DATASET_KEYS)
def test_a_key_of_a_dataset_changes_what_it_should(home, plain, monkeypatch, key):
    value, changes = DATASET_KEYS[key]
    if key == "index":
        from scantune.cohort.index import write_index

        write_index(home / "raw", home / "raw/index.csv")
    result = differing(plain, written(home, monkeypatch, DATASET | {key: value}))
    assert result - {"audit"} == changes


@pytest.mark.parametrize("key", SPLIT_KEYS)
def test_a_key_of_a_split_changes_the_split(home, monkeypatch, key):
    blocks = [{k: v for k, v in (DATASET["split"] | keys).items() if v is not None} for keys in SPLIT_KEYS[key]]
    first, second = (written(home, monkeypatch, DATASET | {"decimal": ",", "split": block}) for block in blocks)
    assert differing(first, second) & {"splits", "audit"}


COMMON = {
    "dataset": "e", "workers": 2, "backend": "threads", "time_limit": 9.0, "verify_fraction": 0.5, "max_voxels": 10**6,
    "nan": 0.0, "series": "T1", "mask_labels": [1, 2], "empty_mask": "exclude",
    "mask_values": {7: 1}, "mask_threshold": 9.0, "mask_overlap": True, "mask_instances": True,
}  # fmt: skip
PLANE = {"shape": [10, 14], "resize": "stretch", "channels": 3, "dtype": "float32"}
#: Modality to its plain block, and another value for each key.
INPUTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "image": (
        ImageInput(dataset="d", modality="image", shape=[12, 12], workers=1, backend="threads"),
        COMMON | PLANE | {"intensity": "zscore", "clahe": True, "affine": "sform", "mask_text": True}
        | {"padding": "keep", "mask_grid": "stored", "resolution": [6, 8]}
        | {"invert_monochrome1": False, "patch": [8, 8], "overlap": 0.25}
        | {"window_precision": "bf16"},
    ),
    "video": (
        VideoInput(dataset="d", modality="video", shape=[12, 12], frames=4, workers=1, backend="threads"),
        COMMON | PLANE | {"intensity": "zscore", "frames": 3, "period": 2, "start": "center", "min_frames": 2}
        | {"sector": True, "frame_rate": 12.0},
    ),
    "volume": (
        VolumeInput(dataset="d", modality="volume", spacing=[2, 2, 2], shape=[6, 6, 6], workers=1, backend="threads"),
        COMMON | {"spacing": [3, 3, 3], "shape": [5, 6, 7], "intensity": "percentile", "center": "foreground"}
        | {"crop": "foreground", "interpolation": "nearest", "antialias": False, "dtype": "float32", "deface": True}
        | {"volume": "first", "philips_values": "precise", "padding": "keep", "affine": "sform", "tilt": "resample"}
        | {"mask_grid": "place"}
        | {"patch": [4, 4, 4], "overlap": 0.25, "window_precision": "bf16", "brain": {"extract": "stripped"}},
    ),
}  # fmt: skip
#: They say how samples are prepared, not what comes out.
OF_THE_RUN = {"dataset", "workers", "backend", "time_limit", "verify_fraction", "max_voxels"}
#: They matter to files that this cohort has not: DICOM, NIfTI of two minds, burned-in text, values not finite.
OF_OTHER_FILES = {
    "nan",
    "series",
    "affine",
    "tilt",
    "volume",
    "philips_values",
    "padding",
    "mask_grid",
    "mask_values",
    "mask_threshold",
    "mask_text",
    "sector",
    "invert_monochrome1",
    "deface",
}
OF_OTHER_FILES |= {"min_frames", "crop", "brain"}
#: They say what a network sees of a tensor.
OF_THE_NETWORK = {"patch", "overlap", "window_precision"}


def changed(modality: str, key: str) -> Any:
    block, others = INPUTS[modality]
    return type(block).model_validate(block.model_dump(mode="json") | {key: others[key]}, context=SAVED)


KEYS = [(modality, key) for modality, (_, others) in INPUTS.items() for key in others]


def test_every_key_of_an_input_is_in_these_tables():
    for block, others in INPUTS.values():
        assert set(others) | {"modality"} == set(type(block).model_fields)


@pytest.mark.parametrize(("modality", "key"), KEYS)
def test_a_key_of_an_input_is_seen_by_what_trains_where_it_changes_tensors(tmp_path, modality, key):
    before, after = INPUTS[modality][0], changed(modality, key)
    if key in OF_THE_NETWORK - {"patch"}:  # of patches
        before, after = (block.model_copy(update={"patch": [4, 4, 4][: len(block.shape)]}) for block in (before, after))
    write_input(tmp_path / "a", before)
    write_input(tmp_path / "b", after)
    same = (tmp_path / "a" / INPUT).read_text() == (tmp_path / "b" / INPUT).read_text()
    assert same == (key in OF_THE_RUN)


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> dict[str, list[Record]]:
    """Two files a modality, with a mask of two labels and an empty one."""
    raw, generator = tmp_path_factory.mktemp("raw"), np.random.default_rng(3)
    result: dict[str, list[Record]] = {name: [] for name in INPUTS}
    for number in range(2):
        plane = generator.integers(0, 255, (20, 30), np.uint8)
        mask = np.zeros((20, 30), np.uint8)
        if number == 0:
            mask[4:9, 4:9], mask[12:15, 12:20] = 1, 3
        io.write_png(raw / f"{number}.png", plane)
        io.write_png(raw / f"m{number}.png", mask)
        io.write_video(raw / f"{number}.avi", np.stack([np.roll(plane, 3 * t, 1) for t in range(9)]))
        whole = np.zeros((18, 16, 14), np.float32)
        whole[2:12, 1:9, 3:11] = generator.normal(300, 50, (10, 8, 8))
        nibabel.save(nibabel.Nifti1Image(whole, np.diag([1.0, 1.0, 1.0, 1.0])), raw / f"{number}.nii.gz")
        marked = np.zeros(whole.shape, np.uint8)
        if number == 0:
            marked[4:9, 4:9, 4:9], marked[10:12, 4:9, 4:9] = 1, 3
        nibabel.save(nibabel.Nifti1Image(marked, np.diag([1.0, 1.0, 1.0, 1.0])), raw / f"m{number}.nii.gz")
        for modality, ending in (("image", "png"), ("video", "avi"), ("volume", "nii.gz")):
            drawn = raw / (f"m{number}.nii.gz" if modality == "volume" else f"m{number}.png")
            result[modality].append(Record(f"s{number}", f"p{number}", (raw / f"{number}.{ending}",), (drawn,)))
    return result


@pytest.fixture(scope="module")
def tensors(records, tmp_path_factory) -> dict[str, str]:
    """``digests.csv`` of each modality's plain block."""
    home = tmp_path_factory.mktemp("tensors")
    return {name: digests(records[name], block, home / name) for name, (block, _) in INPUTS.items()}


def digests(records: list[Record], block: Any, home: Path) -> str:
    preprocess.run(records, block, home / "out", home / "store", max_excluded_fraction=0.5, progress=False)
    return (home / "out/digests.csv").read_text()


@pytest.mark.parametrize(("modality", "key"), [(m, k) for m, k in KEYS if k not in OF_OTHER_FILES | OF_THE_NETWORK])
def test_a_key_of_an_input_changes_the_tensors_or_it_is_of_the_run(records, tensors, tmp_path, modality, key):
    result = digests(records[modality], changed(modality, key), tmp_path)
    assert (result == tensors[modality]) == (key in OF_THE_RUN)


def test_an_input_json_is_plain_and_without_places(tmp_path):
    write_input(tmp_path, INPUTS["volume"][0])
    content = json.loads((tmp_path / INPUT).read_text())
    assert content["shape"] == [6, 6, 6]
    assert not OF_THE_RUN & set(content)
