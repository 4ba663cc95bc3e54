"""Vessels of retinal photographs by MONAI alone: ``python vessels_monai.py TABLE MINUTES SEED OUT``.

TABLE is a JSON list of {"image", "mask", "split", "sample_id"}. The rate of learning follows the processor time that is
left, so that its cycle ends with the budget. One thread, float32; masks are written as PNG at the size of the images.
"""

import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
from monai import transforms
from monai.data import CacheDataset, DataLoader
from monai.inferers import sliding_window_inference
from monai.losses import DiceCELoss
from monai.networks.nets import BasicUNet
from monai.utils import set_determinism
from PIL import Image

PATCH, PATCHES, EYES, RATE = (128, 128), 4, 2, 1e-3
MIRRORS = ((), (2,), (3,), (2, 3))


def load(path: str, mode: str) -> torch.Tensor:
    array = np.asarray(Image.open(path).convert(mode))
    return torch.from_numpy(np.moveaxis(array, -1, 0) / np.float32(255) if mode == "RGB" else (array[None] > 127) * 1)


def cycle(done: float, rise: float = 0.3) -> float:
    """One cycle of the rate by the share of the budget that is used."""
    if done < rise:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * done / rise)) / 2
    return (1 + math.cos(math.pi * min(1.0, (done - rise) / (1 - rise)))) / 2


def main(table: str, minutes: float, seed: int, out: Path) -> None:
    torch.set_num_threads(1)
    set_determinism(seed)
    rows = json.loads(Path(table).read_text())
    train = [
        {"image": load(row["image"], "RGB"), "mask": load(row["mask"], "L")} for row in rows if row["split"] == "train"
    ]
    keys = ["image", "mask"]
    modes = {"mode": ("bilinear", "nearest"), "padding_mode": "reflection"}
    changes = transforms.Compose(
        [
            transforms.RandCropByPosNegLabeld(keys, "mask", PATCH, pos=1, neg=2, num_samples=PATCHES),
            transforms.RandFlipd(keys, prob=0.5, spatial_axis=0),
            transforms.RandFlipd(keys, prob=0.5, spatial_axis=1),
            transforms.RandAffined(keys, prob=1.0, rotate_range=math.pi, scale_range=0.15, **modes),
            transforms.RandScaleIntensityFixedMeand("image", factors=0.2, prob=1.0, preserve_range=False),
            transforms.RandScaleIntensityd("image", factors=0.2, prob=1.0),
        ]
    )
    loader = DataLoader(CacheDataset(train, changes, progress=False), batch_size=EYES, shuffle=True)
    net = BasicUNet(2, 3, 2, (16, 32, 64, 64, 64, 16), norm="BATCH", act=("RELU", {"inplace": True}))
    loss, optimizer = DiceCELoss(to_onehot_y=True, softmax=True), torch.optim.AdamW(net.parameters(), RATE)
    steps, done = 0, 0.0
    while done < 1:
        for batch in loader:
            optimizer.param_groups[0]["lr"] = RATE * cycle(done)
            optimizer.zero_grad()
            loss(net(batch["image"].as_tensor()), batch["mask"].as_tensor()).backward()
            optimizer.step()
            steps, done = steps + 1, time.process_time() / 60 / minutes
            if done >= 1:
                break
    used = time.process_time() / 60
    net.eval()
    out.mkdir(parents=True, exist_ok=True)
    with torch.inference_mode():
        for row in rows:
            if row["split"] == "test":
                image = load(row["image"], "RGB")[None]
                total = torch.zeros(1, 2, *image.shape[2:])
                for axes in MIRRORS:
                    logits = sliding_window_inference(image.flip(axes), PATCH, 8, net, overlap=0.25, mode="gaussian")
                    total += logits.softmax(1).flip(axes)
                mask = total.argmax(1)[0].numpy().astype(np.uint8)
                Image.fromarray(mask).save(out / f"{row['sample_id']}.png")
    (out / "facts.json").write_text(json.dumps({"steps": steps, "processor_minutes": used}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
