"""A plain timm script: what ``python -m benchmarks beside`` trains beside scantune, on the same files and split.

The usual recipe: a network with ImageNet weights, torchvision's transforms, AdamW with OneCycle over all layers, and
the epoch that is best on the validation side. Of loops the network sees frames at even distances, and what it answers
is averaged over them. It takes a GPU where there is one. Nothing of scantune is imported here.
"""

from __future__ import annotations

import argparse
import csv
from functools import cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import timm
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T

Row = dict[str, str]


def picture(path: str) -> Any:
    """A picture in colour."""
    return Image.open(path).convert("RGB")


def frames(path: str, n: int) -> torch.Tensor:
    """[n, 3, H, W], uint8: frames of a loop at even distances, their shorter side at most 256 pixels."""
    loop, read = cv2.VideoCapture(path), []
    while (step := loop.read())[0]:
        shrunk = min(1.0, 256 / min(step[1].shape[:2]))
        read.append(cv2.resize(step[1], None, fx=shrunk, fy=shrunk, interpolation=cv2.INTER_AREA)[..., ::-1])
    chosen = np.stack([read[int(place)] for place in np.linspace(0, len(read) - 1, n)])
    return torch.from_numpy(np.ascontiguousarray(chosen.transpose(0, 3, 1, 2)))


class OverFrames(nn.Module):
    """What a network answers to [B, T, 3, H, W], averaged over the frames: [B, K]."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        return self.net(flat).unflatten(0, x.shape[:2]).mean(1)


class Pictures(Dataset):
    """Pictures, or loops, and targets of rows with ``file`` and ``target``."""

    def __init__(self, rows: list[Row], classes: list[str], transform: Any, read: Any = picture) -> None:
        self.rows, self.classes, self.transform, self.read = rows, classes, transform, read

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        row = self.rows[index]
        target = self.classes.index(row["target"]) if self.classes else np.float32(row["target"])
        return self.transform(self.read(row["file"])), target


def transforms(size: int, smear: bool, loops: bool = False) -> tuple[Any, Any]:
    """Those of training and those of predictions; smears lie in any direction and have other colours elsewhere."""
    last = [
        T.ConvertImageDtype(torch.float32) if loops else T.ToTensor(),
        T.Normalize([127 / 255] * 3, [128 / 255] * 3),
    ]
    turned = [T.RandomRotation(180), T.RandomVerticalFlip()] if smear else [T.RandomRotation(10)]
    jitter = T.ColorJitter(0.3, 0.3, 0.3, 0.1) if smear else T.ColorJitter(0.15, 0.15)
    changed = [T.RandomResizedCrop(size, (0.7, 1.0), (0.9, 1.1)), T.RandomHorizontalFlip(), *turned, jitter]
    whole = [T.Resize(size), T.CenterCrop(size)] if loops else [T.Resize((size, size))]
    return T.Compose([*changed, *last]), T.Compose([*whole, *last])


def predicted(net: nn.Module, rows: list[Row], transform: Any, read: Any) -> torch.Tensor:
    """Outputs [N, K] of the rows, on the processor."""
    net.eval()
    device = next(net.parameters()).device
    unlabelled = [{**row, "target": "0"} for row in rows]
    with torch.inference_mode():
        return torch.cat(
            [net(x.to(device)).cpu() for x, _ in DataLoader(Pictures(unlabelled, [], transform, read), 32)]
        )


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
    parser.add_argument("--frames", type=int, default=0, help="the files are loops, of which so many frames are seen")
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
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net = net.to(device, memory_format=torch.channels_last)
    read, batch = picture, 16
    if options.frames:
        net, batch = OverFrames(net), 8
        read = cache(partial(frames, n=options.frames))
    changed, plain = transforms(options.size, options.smear, bool(options.frames))
    loader = DataLoader(Pictures(side["train"], classes, changed, read), batch, shuffle=True, drop_last=True)
    optimizer = torch.optim.AdamW(net.parameters(), options.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.rate, options.epochs * len(loader))

    def loss_of(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if classes:
            return nn.functional.cross_entropy(output, target)
        return (output[:, 0] * spread + mean - target).abs().mean()

    truth = [Pictures([row], classes, lambda image: image, read)[0][1] for row in side["validation"]]
    best, kept = float("inf"), {}
    for epoch in range(options.epochs):
        net.train()
        for x, y in loader:
            loss = loss_of(net(x.to(device)), y.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        output = predicted(net, side["validation"], plain, read)
        value = float(loss_of(output, torch.tensor(truth)))
        print(f"epoch {epoch + 1}: {value:.3f}", flush=True)
        if value < best:
            best, kept = value, {name: tensor.clone() for name, tensor in net.state_dict().items()}
    net.load_state_dict(kept)
    for name in ("test", "other"):
        folder = options.out if name == "test" else options.out / "other"
        if side[name]:
            folder.mkdir(parents=True, exist_ok=True)
            output = predicted(net, side[name], plain, read)
            values = output.softmax(1) if classes else output * spread + mean
            titles = [f"p/{label}" for label in classes] or ["prediction"]
            with (folder / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(["sample_id", "subject_id", "split", "target", *titles])
                for row, value in zip(side[name], values.double().tolist()):
                    writer.writerow([row["sample_id"], row["subject_id"], "test", row["target"], *value])


if __name__ == "__main__":
    main()
