"""Sliding windows beside MONAI's inferer, and epochs of patches beside MONAI's and nnU-Net's loaders, on the same nets.

nnU-Net is measured where ``SCANTUNE_NNUNET_PYTHON`` names an interpreter that has it (``benchmarks/hippocampus.py``).
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.other import Other
from benchmarks.timing import in_turn, one_thread, report
from benchmarks.training import timed

EDGE, WINDOW, SAMPLES, PER_SAMPLE, BATCH = 144, 48, 4, 4, 2
GOAL = 1.3


def _networks() -> dict[str, Any]:
    import torch

    from scantune import models

    torch.manual_seed(0)
    small = models.build_dense("plain_unet", ndim=3, channels=[8, 16, 32], out_channels=2, seed=0)
    return {"one convolution": torch.nn.Conv3d(1, 2, 3, padding=1).eval(), "a small U-Net": small.eval()}


def windows() -> None:
    """The output for a whole scan; both give the same where MONAI is given the same weights."""
    import torch
    from monai.inferers import sliding_window_inference

    from scantune.prediction import Windows

    scan = torch.randn(1, 1, EDGE, EDGE, EDGE, generator=torch.Generator().manual_seed(0))
    ours = Windows((WINDOW,) * 3, overlap=0.5, batch=2)
    half = replace(ours, precision="bf16")
    places = (torch.arange(WINDOW) - (WINDOW - 1) / 2) / (WINDOW / 8)
    line = torch.exp(-0.5 * places**2)
    weights = line[:, None, None] * line[:, None] * line * 1e12
    size = (WINDOW,) * 3
    for name, net in _networks().items():

        def monai(net: Any = net, **options: Any) -> Any:
            return sliding_window_inference(scan, size, 2, net, overlap=0.5, mode="gaussian", **options)

        with torch.inference_mode():
            gap = float((ours(net, scan) - monai(roi_weight_map=weights)).abs().max())
            assert gap < 1e-4, f"outputs differ by {gap:g}"
            near = float((half(net, scan) - ours(net, scan)).abs().max())
            sides = {"float32": lambda net=net: ours(net, scan), "bf16": lambda net=net: half(net, scan)}  # type: ignore[misc]
            medians = in_turn({**sides, "MONAI": monai}, repeats=3)
        title = f"windows of {WINDOW}³ over {EDGE}³, {name} (outputs agree to {gap:.0e}; bf16 to {near:.0e})"
        for side in sides:
            shown = {key: value for key, value in medians.items() if key in (side, "MONAI")}
            report(f"{title}: scantune in {side}", shown, side, {"MONAI": GOAL})


def epoch() -> None:
    """Patches read, cropped, rotated, mirrored and collated; with and without the training steps on them."""
    import numpy as np
    import torch
    from monai.data import CacheDataset, DataLoader, list_data_collate
    from monai.transforms import Compose, RandAffined, RandCropByPosNegLabeld, RandFlipd
    from safetensors.torch import save_file

    from scantune.augment import build
    from scantune.engine.distributed import resolve_precision
    from scantune.engine.loading import Loader
    from scantune.engine.patches import Patches, PatchSamples

    random, size = np.random.default_rng(0), (WINDOW,) * 3
    with tempfile.TemporaryDirectory() as folder:
        paths, cached = [], []
        for number in range(SAMPLES):
            image = torch.from_numpy(random.normal(size=(1, EDGE, EDGE, EDGE)).astype(np.float32))
            mask = torch.zeros((1, EDGE, EDGE, EDGE), dtype=torch.uint8)
            mask[:, 40:60, 30:70, 50:90] = 1
            paths.append(Path(folder) / f"{number}.safetensors")
            save_file({"input": image.half(), "mask": mask}, paths[-1])
            np.savez(paths[-1].with_suffix(".npz"), image=image.numpy(), mask=mask.numpy())
            cached.append({"input": image, "mask": mask})
        change = build("volume", {"rotation": 15, "flip_left_right": 0.5, "p": 0.5}, crop=size)
        patches = Patches(size, PER_SAMPLE, 1 / 3, change.around)  # type: ignore[attr-defined]
        loader = Loader(PatchSamples(paths, patches, augment=change))
        keys = ["input", "mask"]
        transforms = Compose(
            [
                RandCropByPosNegLabeld(keys, "mask", patches.around, pos=1, neg=2, num_samples=PER_SAMPLE),
                RandFlipd(keys, prob=0.5, spatial_axis=2),
                RandAffined(
                    keys, size, prob=0.5, rotate_range=(0.26,) * 3, mode=("bilinear", "nearest"), padding_mode="border"
                ),
            ]
        )
        peer = DataLoader(CacheDataset(cached, transforms, progress=False), batch_size=1, collate_fn=list_data_collate)

        def ours(step: Any = lambda x: None) -> None:
            order = np.random.default_rng(0).permutation(SAMPLES * PER_SAMPLE)
            for batch in loader.batches(0, np.array_split(order, SAMPLES * PER_SAMPLE // BATCH)):
                step(batch["input"])

        def monai(step: Any = lambda x: None) -> None:
            for batch in peer:
                for part in batch["input"].as_tensor().split(BATCH):
                    step(part)

        net = _networks()["a small U-Net"].train()

        def train(x: Any) -> None:
            net(x).square().mean().backward()

        def train_as_it_comes(x: Any) -> None:  # precision: auto
            with torch.autocast("cpu", torch.bfloat16, enabled=resolve_precision("auto", "cpu") == "bf16"):
                output = net(x)
            output.float().square().mean().backward()

        report("patches alone", in_turn({"scantune": ours, "MONAI": monai}, repeats=3), "scantune", {"MONAI": GOAL})
        sides: dict[str, Callable[[], object]] = {
            "float32": lambda: ours(train),
            "auto": lambda: ours(train_as_it_comes),
        }
        medians = in_turn({**sides, "MONAI": lambda: monai(train)}, repeats=3)
        for side in sides:
            shown = {key: value for key, value in medians.items() if key in (side, "MONAI")}
            report(f"an epoch of a small U-Net, scantune in {side}", shown, side, {"MONAI": GOAL})
        beside_nnunet(Path(folder), {"patches": ours, **sides})


def beside_nnunet(folder: Path, sides: dict[str, Callable[[], object]]) -> None:
    """Epochs in turn with those of nnU-Net, in a process of its own: of patches alone, or with the training steps."""
    python = os.environ.get("SCANTUNE_NNUNET_PYTHON", "")
    if not python:
        print("  nnU-Net: not measured (SCANTUNE_NNUNET_PYTHON names no interpreter that has it)")
        return
    arguments = (folder, WINDOW, SAMPLES * PER_SAMPLE, BATCH)
    other = Other("nnU-Net", python, "nnunet_patches_side.py", folder, *arguments)
    for side, call in sides.items():
        kind = "patches" if side == "patches" else "train"
        rounds = [{"scantune": timed(call), "nnU-Net": other.epoch(kind)} for _ in range(4)][1:]
        walls = [round_["nnU-Net"][0] / round_["scantune"][0] for round_ in rounds]
        used = [round_["nnU-Net"][1] / round_["scantune"][1] for round_ in rounds]
        wall, processor = statistics.median(walls), statistics.median(used)
        print(f"  {kind}: nnU-Net / scantune {side} {wall:.2f}, processor {processor:.2f}   goal ≥ {GOAL:g}")
    other.close()


if __name__ == "__main__":
    one_thread()
    windows()
    epoch()
