"""Public data sets in their own layout, as generated files: an example's own blocks read, prepare and split them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from scantune import io
from scantune.config.load import read
from tests.stages.conftest import run_stages

EXAMPLES = Path(__file__).parents[2] / "examples"
ZONES = ["right_sup", "left_sup", "right_mid", "left_mid", "right_inf", "left_inf"]


def write_csv(path: Path, rows: list[dict[str, Any]], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def texture(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """A smooth random picture of its own, uint8: near-duplicates would be shown by the audit."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, [max(2, n // 8) for n in shape])
    for axis, length in enumerate(shape):
        small = small.take(np.arange(length) * small.shape[axis] // length, axis=axis)
    return small.astype(np.uint8)


def loes(root: Path) -> None:
    """The table and file names of the Loes cohort; one scan with contrast agent, one without a score."""
    rows = []
    for person in range(1, 13):
        for session in (1, 2):
            ids = {"anonymized_subject_id": f"sub-{person:02d}", "anonymized_session_id": f"ses-{session:02d}"}
            score = "" if (person, session) == (2, 1) else person * session % 30 / 2
            side = "validation" if person > 10 else "training"
            rows.append(
                {**ids, "scan": "mprage", "loes-score": score, "Gd-enhanced": int((person, session) == (1, 2))}
                | {"training": int(side == "training"), "validation": int(side == "validation")}
                | {"scanner": "AB"[person % 2]}
            )
            array = texture(person * 10 + session, (14, 16, 14)).astype(np.float32)
            name = "_".join(ids.values()) + "_space-MNI_brain_mprage_RAVEL.nii.gz"
            io.write_nifti(root / name, io.Volume(array, np.diag([10.0, 10.0, 10.0, 1.0])))
    write_csv(root / "loes.csv", rows)


def csi(root: Path) -> None:
    """The `;` table of six zones, an empty cell for an ungradable one, and NIfTI files of one slice."""
    rows = []
    for number in range(24):
        name = f"cxr{number:03d}"
        grades = {zone: (number + place) % 4 for place, zone in enumerate(ZONES)}
        rows.append({"FileID": name, **grades, **({"left_inf": ""} if number % 5 == 0 else {})})
        pixels = texture(number, (1, 40, 36)).astype(np.float32)
        io.write_nifti(root / "images" / f"{name}.nii.gz", io.Volume(pixels, np.eye(4)))
    write_csv(root / "labels.csv", rows, ";")


def echonet(root: Path) -> None:
    """EchoNet-Dynamic: FileList.csv with names without suffix, sides in capitals, Videos/*.avi of 112 × 112."""
    rows = []
    for number in range(12):
        name = f"0X{number + 1:016X}"
        length = 8 + number
        frames = np.stack([np.roll(texture(number, (112, 112)), step, 0) for step in range(length)])
        io.write_video(root / "Videos" / f"{name}.avi", frames, frame_time=20.0)
        side = ("TRAIN", "TRAIN", "VAL", "TEST")[number % 4]
        rows.append(
            {"FileName": name, "EF": 30.5 + number, "ESV": 50.1, "EDV": 100.2, "FrameHeight": 112, "FrameWidth": 112}
            | {"FPS": 50, "NumberOfFrames": length, "Split": side}
        )
    write_csv(root / "FileList.csv", rows)


def arcade(root: Path) -> None:
    """ARCADE: numbered pictures and one COCO file a side; the masks by the command that the example names."""
    from typer.testing import CliRunner

    from scantune.cli import app

    files = {}
    for place, (side, count) in enumerate({"train": 6, "val": 3, "test": 3}.items()):
        folder = root / "arcade" / "syntax" / side
        images, annotations = [], []
        for number in range(1, count + 1):
            io.write_png(folder / "images" / f"{number}.png", texture(100 * place + number, (64, 64)))
            images.append({"id": number, "width": 64, "height": 64, "file_name": f"{number}.png"})
            box = [10.0, 10.0, 10.0, 30.0 + number, 20.0, 30.0 + number, 20.0, 10.0]
            annotations.append(
                {"id": number, "image_id": number, "category_id": 1, "segmentation": [box], "iscrowd": 0}
            )
        categories = [{"id": 1, "name": "1", "supercategory": ""}]
        files[side] = folder / "annotations" / f"{side}.json"
        files[side].parent.mkdir(parents=True)
        content = {"images": images, "annotations": annotations, "categories": categories}
        files[side].write_text(json.dumps(content))
    sides = [f"train={files['train']}", f"validation={files['val']}", f"test={files['test']}"]
    done = CliRunner().invoke(app, ["convert", "masks", *sides, "--out", str(root / "arcade" / "masks")])
    assert done.exit_code == 0, done.output
    proposed = yaml.safe_load(done.output.split("params.yaml:")[1])["masks"]
    example = yaml.safe_load((EXAMPLES / "arcade.yaml").read_text())["datasets"]["arcade"]
    assert Path(proposed.pop("root")) == Path(proposed.pop("watch")) == (root / "arcade").resolve()
    assert all(example[key] == value for key, value in proposed.items())


def chexpert(root: Path) -> None:
    """CheXpert: paths from the folder above, findings as 1, 0, −1 or blank, some lateral films."""
    for side, people in {"train": 80, "valid": 12}.items():
        rows = []
        for person in range(people):
            number = person + (1000 if side == "valid" else 1)
            for study in (1, 2) if person % 3 == 0 else (1,):
                view = "lateral" if person % 7 == 3 else "frontal"
                path = f"CheXpert-v1.0-small/{side}/patient{number:05d}/study{study}/view1_{view}.jpg"
                _write_jpeg(root / path, texture(number * 2 + study, (39, 32)))
                edema = (person % 2) * 1.0 if side == "valid" else ("1.0", "0.0", "-1.0", "")[person % 4]
                rows.append(
                    {"Path": path, "Sex": "Female", "Age": 60, "Frontal/Lateral": view.title(), "AP/PA": "AP"}
                    | {"Edema": edema}
                )
        write_csv(root / "CheXpert-v1.0-small" / f"{side}.csv", rows)


def _write_jpeg(path: Path, pixels: np.ndarray) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)


def nih(root: Path) -> None:
    """ChestX-ray14: a film's findings in one cell, several films a person."""
    cells = ("No Finding", "Effusion", "Effusion|Mass", "Cardiomegaly|Edema|Hernia")
    rows = []
    for number in range(40):
        name = f"{number // 2:08d}_{number % 2:03d}.png"
        _write_jpeg(root / "images" / name, texture(number, (36, 36)))
        rows.append(
            {"Image Index": name, "Finding Labels": cells[number % 4], "Follow-up #": number % 2}
            | {"Patient ID": number // 2 + 1, "Patient Age": 50, "Patient Gender": "M", "View Position": "PA"}
        )
    write_csv(root / "Data_Entry_2017.csv", rows)


def medmnist(root: Path) -> None:
    """MedMNIST's arrays, written out by the command that the example names."""
    from typer.testing import CliRunner

    from scantune.cli import app

    arrays = {}
    for place, (side, count) in enumerate({"train": 24, "val": 8, "test": 8}.items()):
        pictures = [texture(1000 * place + n, (28, 28, 3)) for n in range(count)]
        arrays[f"{side}_images"] = np.stack(pictures)
        arrays[f"{side}_labels"] = (np.arange(count) % 8).astype(np.uint8)[:, None]
    np.savez(root / "bloodmnist.npz", **arrays)
    names = "basophil,eosinophil,erythroblast,immature granulocyte,lymphocyte,monocyte,neutrophil,platelet"
    command = ["convert", "medmnist", str(root / "bloodmnist.npz"), "--out", str(root / "bloodmnist"), "--names", names]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    proposed = yaml.safe_load(done.output.split("params.yaml:")[1])["bloodmnist"]
    example = yaml.safe_load((EXAMPLES / "medmnist.yaml").read_text())["datasets"]["bloodmnist"]
    assert all(example[key] == value for key, value in proposed.items() if key not in {"root", "watch"})


#: Example, dataset, what writes it, folder below the root, usable samples, what is left out before.
LAYOUTS: dict[str, tuple[str, str, Callable[[Path], None], str, int]] = {
    "loes": ("loes", "loes", loes, "", 22),
    "loes of one scanner": ("loes", "loes_b", loes, "", 11),
    "csi": ("csi", "csi", csi, "", 24),
    "echonet": ("echonet_dynamic", "echonet", echonet, "", 12),
    "arcade": ("arcade", "arcade", arcade, "arcade", 12),
    "chexpert": ("chexpert", "chexpert", chexpert, "", 92),
    "chexpert's radiologists": ("chexpert", "chexpert_valid", chexpert, "", 13),
    "nih": ("nih_findings", "nih_chest", nih, "", 40),
    "medmnist": ("medmnist", "bloodmnist", medmnist, "bloodmnist", 40),
}
SMALL = {"image": {"shape": [32, 32]}, "video": {"shape": [32, 32], "frames": 4}, "volume": {"shape": [12, 14, 12]}}


#: Images; a volume and a video are among the slow ones.
QUICK = ("nih",)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in LAYOUTS]
)
def test_the_blocks_of_an_example_prepare_and_split_the_data_set(tmp_path, name):
    example, dataset, make, below, expected = LAYOUTS[name]
    root = tmp_path / "raw"
    root.mkdir()
    make(root)
    params = read(EXAMPLES / f"{example}.yaml")
    params["datasets"][dataset] |= {"root": str(root / below), "watch": str(root / below)}
    params["datasets"][dataset].pop("index", None)
    params["datasets"][dataset]["split"].setdefault("near_duplicate_correlation", 1.0)
    block = params["inputs"][dataset]
    small = SMALL[block["modality"]] | ({"spacing": [12, 12, 12]} if block["modality"] == "volume" else {})
    params["inputs"][dataset] = {**block, **small, "workers": 1}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    run_stages(tmp_path, f"preprocess {dataset}", f"split {dataset}")

    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before, (
        "the data's folder is never written to"
    )
    manifest = list(csv.DictReader((tmp_path / "data/cache" / dataset / "manifest.csv").open()))
    assert len(manifest) == expected
    sides = {r["sample_id"]: r for r in csv.DictReader((tmp_path / "data/splits" / dataset / "splits.csv").open())}
    assert {r["split"] for r in sides.values()} == {"train", "validation", "test"}
    CHECKS.get(name, lambda rows, sides: None)(manifest, sides)


def check_loes(rows: list[dict[str, str]], sides: dict[str, dict[str, str]]) -> None:
    assert {r["sample_id"] for r in rows} >= {"sub-01_ses-01", "sub-02_ses-02"}
    assert not {"sub-01_ses-02", "sub-02_ses-01"} & {r["sample_id"] for r in rows}
    side_of = {}
    for row in sides.values():
        assert side_of.setdefault(row["subject_id"], row["split"]) == row["split"]
    assert {side_of["sub-11"], side_of["sub-12"]} == {"validation"}


def check_csi(rows: list[dict[str, str]], sides: dict[str, dict[str, str]]) -> None:
    assert {r["target/left_inf"] for r in rows} == {"", "0", "1", "2", "3"}


def check_echonet(rows: list[dict[str, str]], sides: dict[str, dict[str, str]]) -> None:
    result = [sides[r["sample_id"]]["split"] for r in sorted(rows, key=lambda r: float(r["target/ef"]))]
    assert result == ["train", "train", "validation", "test"] * 3


def check_chexpert(rows: list[dict[str, str]], sides: dict[str, dict[str, str]]) -> None:
    assert {r["target/edema"] for r in rows} == {"0", "1"}
    assert all(r["subject_id"].startswith("patient") for r in rows)
    positive = {r["subject_id"] for r in rows if float(r["target/edema"]) == 1}
    assert positive == {f"patient{p + 1:05d}" for p in range(80) if p % 4 in (0, 2) and p % 7 != 3}
    side_of: dict[str, set[str]] = {}
    for row in sides.values():
        side_of.setdefault(row["subject_id"], set()).add(row["split"])
    assert all(len(one) == 1 for one in side_of.values())


def check_nih(rows: list[dict[str, str]], sides: dict[str, dict[str, str]]) -> None:
    assert {r["target/findings"] for r in rows} >= {"No Finding", "Effusion|Mass"}
    side_of: dict[str, set[str]] = {}
    for row in sides.values():
        side_of.setdefault(row["subject_id"], set()).add(row["split"])
    assert len(side_of) == 20
    assert all(len(one) == 1 for one in side_of.values())


def check_medmnist(rows: list[dict[str, str]], sides: dict[str, dict[str, str]]) -> None:
    assert len({r["target/label"] for r in rows}) == 8
    assert {name: r["split"] for name, r in sides.items()}["val-00003"] == "validation"


CHECKS: dict[str, Callable[[list[dict[str, str]], dict[str, dict[str, str]]], None]] = {
    "loes": check_loes,
    "csi": check_csi,
    "echonet": check_echonet,
    "chexpert": check_chexpert,
    "nih": check_nih,
    "medmnist": check_medmnist,
}
