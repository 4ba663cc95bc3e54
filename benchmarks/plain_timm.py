"""A plain timm script: what ``python -m benchmarks beside`` trains beside scantune, on the same files and split.

The usual recipe: a network with ImageNet weights, torchvision's transforms, AdamW with OneCycle over all layers, and
the epoch that is best on the validation side. Nothing of scantune is imported here.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T

Row = dict[str, str]


class Pictures(Dataset):
    """Pictures and targets of rows with ``file`` and ``target``."""

    def __init__(self, rows: list[Row], classes: list[str], transform: Any) -> None:
        self.rows, self.classes, self.transform = rows, classes, transform

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        row = self.rows[index]
        target = self.classes.index(row["target"]) if self.classes else np.float32(row["target"])
        return self.transform(Image.open(row["file"]).convert("RGB")), target


def transforms(size: int, smear: bool) -> tuple[Any, Any]:
    """Those of training and those of predictions; smears lie in any direction and have other colours elsewhere."""
    last = [T.ToTensor(), T.Normalize([127 / 255] * 3, [128 / 255] * 3)]
    turned = [T.RandomRotation(180), T.RandomVerticalFlip()] if smear else [T.RandomRotation(10)]
    jitter = T.ColorJitter(0.3, 0.3, 0.3, 0.1) if smear else T.ColorJitter(0.15, 0.15)
    changed = [T.RandomResizedCrop(size, (0.7, 1.0), (0.9, 1.1)), T.RandomHorizontalFlip(), *turned, jitter]
    return T.Compose([*changed, *last]), T.Compose([T.Resize((size, size)), *last])


def predicted(net: nn.Module, rows: list[Row], transform: Any) -> torch.Tensor:
    """Outputs [N, K] of the rows."""
    net.eval()
    unlabelled = [{**row, "target": "0"} for row in rows]
    with torch.inference_mode():
        return torch.cat([net(x) for x, _ in DataLoader(Pictures(unlabelled, [], transform), 32)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "rows", type=Path, help="CSV: sample_id, subject_id, split, file, target; split other: elsewhere"
    )
    parser.add_argument("out", type=Path, help="folder for predictions.csv")
    parser.add_argument("--weights", type=Path, required=True, help="state dict of tf_efficientnet_lite0")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--number", action="store_true", help="the target is a number")
    parser.add_argument("--smear", action="store_true")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    rows = list(csv.DictReader(options.rows.open(encoding="utf-8")))
    side = {name: [row for row in rows if row["split"] == name] for name in ("train", "validation", "test", "other")}
    classes = [] if options.number else sorted({row["target"] for row in side["train"]})
    known = np.array([float(row["target"]) for row in side["train"]]) if options.number else np.array([0.0, 1.0])
    mean, spread = float(known.mean()), float(known.std())
    net = timm.create_model("tf_efficientnet_lite0")
    net.load_state_dict(torch.load(options.weights, weights_only=True))
    net.reset_classifier(len(classes) or 1)
    net = net.to(memory_format=torch.channels_last)
    changed, plain = transforms(options.size, options.smear)
    loader = DataLoader(Pictures(side["train"], classes, changed), 16, shuffle=True, drop_last=True)
    optimizer = torch.optim.AdamW(net.parameters(), options.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.rate, options.epochs * len(loader))

    def loss_of(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if classes:
            return nn.functional.cross_entropy(output, target)
        return (output[:, 0] * spread + mean - target).abs().mean()

    truth = [Pictures([row], classes, lambda image: image)[0][1] for row in side["validation"]]
    best, kept = float("inf"), {}
    for epoch in range(options.epochs):
        net.train()
        for x, y in loader:
            loss = loss_of(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        output = predicted(net, side["validation"], plain)
        value = float(loss_of(output, torch.tensor(truth)))
        print(f"epoch {epoch + 1}: {value:.3f}", flush=True)
        if value < best:
            best, kept = value, {name: tensor.clone() for name, tensor in net.state_dict().items()}
    net.load_state_dict(kept)
    for name in ("test", "other"):
        folder = options.out if name == "test" else options.out / "other"
        if side[name]:
            folder.mkdir(parents=True, exist_ok=True)
            output = predicted(net, side[name], plain)
            values = output.softmax(1) if classes else output * spread + mean
            titles = [f"p/{label}" for label in classes] or ["prediction"]
            with (folder / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(["sample_id", "subject_id", "split", "target", *titles])
                for row, value in zip(side[name], values.double().tolist()):
                    writer.writerow([row["sample_id"], row["subject_id"], "test", row["target"], *value])


if __name__ == "__main__":
    main()
