"""Vessels of DRIVE on its official halves beside plain MONAI: ``python -m benchmarks vessels --data FOLDER``.

FOLDER has ``training/`` and ``test/`` as the makers laid them out. scantune by its stages (19 eyes train, one chooses
the checkpoint) and ``vessels_monai.py`` (all 20 train) take turns, seed by seed: the same network, size of patches,
batch, optimizer and mirror images, the same processor minutes from start to trained network. Dice is that of the masks
as written, inside the field of view, on the grid of the files. Results are kept in ``--home``, and what is there is not
trained again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import budget, defaults

NAME = "drive"
PUBLISHED = "published on the same split: U-Net .814, SA-UNet .826, second observer .788"
TRAIN = {
    "channels_last": True,
    "batch_size": 8,
    "learning_rate": 1.0e-3,
    "scheduler": "onecycle",
    "validate_every": 1000,
    "monitor": "val_dice",
    "early_stopping": False,
    "augment": {
        "flip_left_right": 0.5,
        "flip_up_down": 0.5,
        "rotation": 180,
        "zoom": 0.15,
        "contrast": 0.2,
        "brightness": 0.2,
    },
    "patches": {"per_sample": 8, "foreground": 0.33},
    "test_time_augmentation": 3,
}


def rows_of(data: Path, home: Path) -> tuple[Path, list[dict[str, str]]]:
    """Root, and a row for each eye with its files."""
    from scantune.public import drive

    root, (eyes,) = drive.prepare(data, home)
    return root, [{name: str(value) for name, value in row.items()} for row in eyes.rows]


def blocks(data: Path, home: Path) -> dict[str, Any]:
    """The blocks of scantune; their table is written into a folder."""
    root, rows = rows_of(data, home)
    path = home / "eyes.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    dataset = {
        "root": str(root),
        "table": str(path),
        "files": "{file}",
        "sample": "{sample_id}",
        "masks": "{mask}",
        "region": "{view}",
        "subject": "sample_id",
        "split": {"method": "predefined", "columns": "split", "fill": {"validation": 0.05}},
    }
    experiment = {
        "dataset": NAME,
        "input": NAME,
        "task": {"name": "segmentation", "classes": ["background", "vessel"], "largest_component": False},
        "model": {"backbone": "unet", "options": {"channels": [16, 32, 64, 64, 64]}},
        "train": dict(TRAIN),
        "evaluate": {"saliency": False, "draws": 500, "write_masks": True},
        "register": {},
    }
    image = {"modality": "image", "channels": 3, "patch": [128, 128], "overlap": 0.25, "intensity": "scale"}
    return {
        "datasets": {NAME: dataset},
        "inputs": {NAME: {"dataset": NAME, **image}},
        "experiments": {NAME: experiment},
    }


def scantune(data: Path, minutes: float, seed: int, home: Path) -> dict[str, Any]:
    """Train by the stages, for as many epochs as fit."""
    params, fitted = blocks(data, home), home / "epochs.json"
    project = budget.project(home / f"seed_{seed}", params)
    for name in ("index", "preprocess", "split"):
        defaults.run_stage(project, name, NAME)
    known = budget.kept(fitted) or {}
    if str(minutes) not in known:
        known[str(minutes)] = budget.epochs_within(minutes, project, params, NAME)
        budget.keep(fitted, known)
    used = budget.train(project, params, NAME, epochs=known[str(minutes)], seed=seed)
    masks = project / "outputs" / NAME / "evaluate" / "masks"
    return {"epochs": known[str(minutes)], "processor_minutes": used, "dice": scores(data, home, masks)}


def monai(data: Path, minutes: float, seed: int, home: Path) -> dict[str, Any]:
    """The same by MONAI alone."""
    root, rows = rows_of(data, home)
    table, out = home / "eyes.json", home / f"monai_{seed}"
    files = [{**row, "image": str(root / row["file"]), "mask": str(root / row["mask"])} for row in rows]
    table.write_text(json.dumps(files), encoding="utf-8")
    script = str(Path(__file__).with_name("vessels_monai.py"))
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    defaults.timed([sys.executable, script, str(table), str(minutes), str(seed), str(out)], env, home)
    facts = budget.kept(out / "facts.json")
    assert facts is not None
    return {**facts, "dice": scores(data, home, out)}


def scores(data: Path, home: Path, masks: Path | None) -> dict[str, float]:
    """Dice inside the field of view by eye of the test half; of the second observer where ``masks`` is None."""
    root, rows = rows_of(data, home)
    result = {}
    for row in rows:
        if row["split"] == "test":
            number = row["sample_id"]
            truth, view = _marked(root / row["mask"]), _marked(root / row["view"])
            predicted = _marked(root / row["second"] if masks is None else masks / f"{number}.png")
            result[number] = budget.dice(truth & view, predicted & view)
    return result


def _marked(path: Path) -> np.ndarray:
    """A mask as bool [H, W]; the second observer's files are a little off black and white."""
    values = np.asarray(Image.open(path).convert("L"))
    return values > values.max() / 2


def table(data: Path, home: Path) -> None:
    """Mean Dice by seed, of the mean over seeds of each eye, and the paired difference."""
    means: dict[str, np.ndarray] = {}
    print("| | seed | processor minutes | Dice (95 % interval over 20 eyes) |\n| --- | --- | --- | --- |")
    for kind in ("monai", "scantune"):
        eyes = []
        for path in sorted(home.glob(f"{kind}_*.json")):
            result = budget.kept(path)
            assert result is not None
            eyes.append(np.array(list(result["dice"].values())))
            length = f"{result['epochs']} epochs" if "epochs" in result else f"{result['steps']} steps"
            minutes = f"{result['processor_minutes']:.2f} ({length})"
            print(f"| {kind} | {path.stem.split('_')[1]} | {minutes} | {budget.interval(eyes[-1])} |")
        if eyes:
            means[kind] = np.mean(eyes, axis=0)
            print(f"| **{kind}** | mean of {len(eyes)} | | {budget.interval(means[kind])} |")
    if len(means) == 2:
        print(f"| scantune − monai, by eye | | | {budget.interval(means['scantune'] - means['monai'])} |")
    second = np.array(list(scores(data, home, None).values()))
    print(f"| second observer | | | {budget.interval(second)} |\n{PUBLISHED}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of DRIVE")
    parser.add_argument("--home", type=Path, default=Path("vessels"), help="folder of results and prepared samples")
    parser.add_argument("--minutes", type=float, default=4, help="processor minutes of a training")
    parser.add_argument("--seeds", type=int, default=3, help="number of them")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    options = parser.parse_args()
    data, home = options.data.resolve(), options.home.resolve()
    for seed in range(options.first, options.first + options.seeds):
        for kind, run in {"scantune": scantune, "monai": monai}.items():
            path = home / f"{kind}_{seed}.json"
            if not path.exists():
                budget.keep(path, run(data, options.minutes, seed, home))
    table(data, home)


if __name__ == "__main__":
    main()
