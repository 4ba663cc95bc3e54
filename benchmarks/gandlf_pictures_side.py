"""GaNDLF's training of pictures: what ``python -m benchmarks beside`` trains beside scantune, on the same split.

It is run by an interpreter that has GaNDLF (:mod:`benchmarks.gandlf` tells how to make one). Training, choice of the
model of the lowest validation loss and inference are GaNDLF's own (``gandlf run``); nothing of scantune is imported
here. What is written for it:

* The network is timm's with ImageNet weights, which GaNDLF does not have: it returns logits (GaNDLF's own networks
  apply a softmax before a loss that applies another), sees grey films in three channels and pictures upright (GaNDLF
  hands over width before height), and computes with channels last, as the plain script does.
* ``adam``, ``cel``, ``weighted_loss`` and ``triangle`` are those of its samples for classification. Version 0.1.5 hands
  its scheduler to Lightning under a name that Lightning ignores, so that the rate stays as it starts. The rate is the
  plain script's: of one training of films the lowest validation loss was 0.402 at the samples' 1e-3, 0.358 at 3e-4 and
  at 1e-4; of one of cells 0.087 at 3e-4 and 0.164 at 1e-4.
* Augmentations have its defaults where it has some (affine, noise) and the plain script's strength of colour. Its
  ``affine`` shifts along the third axis too, which empties a picture: here only within the picture. Colours come
  first, since ``colorjitter`` clips numbers that are not integers to 1. Smears are turned by right angles too.
* Pictures are resized by its ``resize_image`` and scaled to -1 … 1, as the weights expect, by
  ``normalize_standardize``.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, str]


def write_tables(rows: Sequence[Row], classes: Sequence[str], folder: Path) -> dict[str, list[Row]]:
    """A table of each side that has rows, as GaNDLF reads it, with targets for training and validation alone.

    Returns the rows of each side in the order of its table, where a row's ``SubjectID`` is its place.
    """
    sides: dict[str, list[Row]] = {}
    for row in rows:
        sides.setdefault(row["split"], []).append(row)
    for side, of_side in sides.items():
        labelled = side in ("train", "validation")
        with (folder / f"{side}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["SubjectID", "Channel_0"] + ["ValueToPredict"] * labelled)
            for place, row in enumerate(of_side):
                target = [classes.index(row["target"])] if labelled else []
                writer.writerow([f"s{place}", row["file"], *target])
    return sides


def settings(size: int, epochs: int, rate: float, classes: int, smear: bool) -> dict[str, Any]:
    """GaNDLF's configuration of a training."""
    strength = 0.3 if smear else 0.15
    colours = {"saturation": 0.3, "hue": 0.1} if smear else {"saturation": 0, "hue": 0}
    turned = {"rotate_90": {"axis": [3]}} if smear else {}
    return {
        "modality": "rad",
        "patch_size": [size, size],
        "model": {
            "dimension": 2,
            "architecture": "given",
            "final_layer": "logits",
            "num_channels": 3,
            "class_list": list(range(classes)),
            "print_summary": False,
        },
        "loss_function": "cel",
        "weighted_loss": True,
        "metrics": ["classification_accuracy"],
        "nested_training": {"testing": 1, "validation": -2},
        "optimizer": "adam",
        "scheduler": "triangle",
        "learning_rate": rate,
        "batch_size": 16,
        "num_epochs": epochs,
        "patience": epochs,
        "q_samples_per_volume": 1,
        "data_preprocessing": {"resize_image": [size, size], "normalize_standardize": None},
        "data_augmentation": {
            "colorjitter": {"brightness": strength, "contrast": strength, **colours},
            "affine": {"translation": [-2, 2, -2, 2, 0, 0]},
            "flip": {"axis": [0, 1] if smear else [0]},
            **turned,
            "noise": {},
        },
    }


def _register(weights: Path) -> None:
    """The network under a name of its own, before GaNDLF reads its list of names."""
    import timm
    import torch
    from GANDLF import models

    def upright(_: Any, images: tuple[Any, ...]) -> tuple[Any, ...]:
        return (images[0].transpose(2, 3).expand(-1, 3, -1, -1),)  # [B, C, W, H] → [B, 3, H, W]

    def make(parameters: dict[str, Any]) -> Any:
        net = timm.create_model("tf_efficientnet_lite0")
        net.load_state_dict(torch.load(weights, weights_only=True))
        net.reset_classifier(len(parameters["model"]["class_list"]))
        net.register_forward_pre_hook(upright)
        return net.to(memory_format=torch.channels_last)

    models.global_models_dict["given"] = make


def write_predictions(probabilities: Path, rows: list[Row], classes: list[str], folder: Path) -> None:
    """Rows of a side with the probabilities that GaNDLF wrote of them, as plain_timm.py writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        probabilities.open(encoding="utf-8") as source,
        (folder / "predictions.csv").open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["sample_id", "subject_id", "split", "target", *(f"p/{label}" for label in classes)])
        for place, (row, told) in enumerate(zip(rows, csv.DictReader(source), strict=True)):
            assert told["SubjectID"] == f"s{place}", f"GaNDLF's row {place} is of {told['SubjectID']}"
            values = [told[str(number)] for number in range(len(classes))]
            writer.writerow([row["sample_id"], row["subject_id"], "test", row["target"], *values])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, help="CSV as that of plain_timm.py")
    parser.add_argument("out", type=Path, help="folder for predictions.csv; what is there is removed")
    parser.add_argument("--weights", type=Path, required=True, help="state dict of tf_efficientnet_lite0")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--smear", action="store_true")
    options = parser.parse_args()
    _register(options.weights)
    from GANDLF.cli import main_run
    from lightning.pytorch import seed_everything

    shutil.rmtree(options.out, ignore_errors=True)
    work = options.out / "gandlf"
    work.mkdir(parents=True)
    with options.rows.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    classes = sorted({row["target"] for row in rows if row["split"] == "train"})
    sides = write_tables(rows, classes, work)
    config = work / "gandlf.json"  # JSON is YAML
    config.write_text(
        json.dumps(settings(options.size, options.epochs, options.rate, len(classes), options.smear)), encoding="utf-8"
    )
    seed_everything(options.seed)
    both = f"{work / 'train.csv'},{work / 'validation.csv'}"
    main_run(both, str(config), str(work / "model"), train_mode=True, resume=False, reset=False)
    for side in ("test", "other"):
        if side in sides:
            inferred = str(work / side)
            table = str(work / f"{side}.csv")
            main_run(table, str(config), str(work / "model"), False, False, False, output_dir=inferred)
            folder = options.out if side == "test" else options.out / "other"
            write_predictions(work / side / "final_preds_and_avg_probs.csv", sides[side], classes, folder)


if __name__ == "__main__":
    main()
