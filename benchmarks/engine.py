"""Training: a step and an epoch against a bare PyTorch loop, an epoch against MONAI's usual one, bf16 against float32.

Nets and data are the same on both sides and every loss is compared before a time counts. The sides take turns step by
step, so that a busy machine disturbs both alike; ratios are medians of neighbours.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.training import (
    NETS,
    Mean,
    Memory,
    assemble,
    epochs_of,
    files_twice,
    make_network,
    median_ratio,
    prepare,
    terms,
    timed,
)

SAMPLES, STEPS, EPOCHS = 16, 15, 9
#: Larger ones, where a step takes seconds: bf16 alone is measured on these.
LARGER = (
    ("image 224²", "image", "resnet18", (3, 224, 224), 4),
    ("volume 64³", "volume", "resnet18_3d", (1, 64, 64, 64), 2),
    ("video 16 × 112²", "video", "r2plus1d_18", (3, 16, 112, 112), 1),
)


def _bare(network: Any, precision: str) -> tuple[Callable[[Any, Any], float], Any]:
    """A step as one writes it: fused AdamW, OneCycle, the loss read every step."""
    import torch

    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=1e-4, fused=True)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-4, total_steps=10_000)

    def step(x: Any, y: Any) -> float:
        network.train()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            output = network(x)
        loss = torch.nn.functional.mse_loss(output.float()[:, 0], y)
        loss.backward()
        optimizer.step()
        scheduler.step()
        return loss.item()

    return step, optimizer


def step_and_epoch(name: str, modality: str, backbone: str, shape: tuple[int, ...], batch: int) -> dict[str, float]:
    """Ratios of a step and of an epoch (with validation), scantune / bare loop."""
    import copy

    import torch
    from torch.utils.data import DataLoader

    from scantune.engine import validation
    from scantune.engine.delivery import Delivery
    from scantune.engine.loop import _train_epoch
    from scantune.engine.progress import Progress
    from scantune.engine.saving import Saver
    from scantune.engine.signals import StopFlag
    from scantune.engine.step import train_step
    from scantune.stopping import ParentWatch

    data = (Memory(shape, SAMPLES), Memory(shape, batch, 1))
    network = make_network(modality, backbone, shape[0])
    training = assemble(copy.deepcopy(network), data, batch, "32")
    plain = copy.deepcopy(network)
    step, _ = _bare(plain, "32")
    x, y = data[0].x[:batch], data[0].y[:batch]
    sample = {"input": x, "target": y, "index": torch.arange(batch), "group": torch.full((batch,), -1)}
    training.network.train()

    def ours() -> None:
        training.schedule.apply(training.plain_optimizer, training.position.step, 10_000, 1)
        training.history.step(1, 1, train_step(training, [dict(sample)]).values)
        training.position.step += 1

    first = step(x, y)
    ours()
    assert abs(first - training.history.rows[0]["loss"]) < 1e-4 * max(1, abs(first)), "the losses differ"
    pairs = [{"ours": timed(ours), "bare": timed(lambda: step(x, y))} for _ in range(STEPS)]
    ratio, used = median_ratio(pairs, "ours", "bare")
    milliseconds = 1000 * statistics.median(pair["bare"][0] for pair in pairs)

    saver = Saver(training, StopFlag(ParentWatch(False)), Delivery((), None))

    def our_epoch() -> None:
        training.position.in_epoch = 0
        _train_epoch(training, saver, Progress(training, visible=False))
        validation.validate(training)
        training.position.epoch += 1

    loaders = [DataLoader(side, batch, shuffle=i == 0) for i, side in enumerate(data)]

    def bare_epoch() -> None:
        for samples in loaders[0]:
            step(samples["input"], samples["target"])
        plain.eval()
        with torch.no_grad():
            for samples in loaders[1]:
                torch.nn.functional.mse_loss(plain(samples["input"])[:, 0], samples["target"]).item()

    epochs = [{"ours": timed(our_epoch), "bare": timed(bare_epoch)} for _ in range(EPOCHS)]
    whole, whole_used = median_ratio(epochs, "ours", "bare")
    print(f"  {name:<14} bare step {milliseconds:6.0f} ms   step × {ratio:.3f}, processor × {used:.3f} (goal ≤ 1.03)")
    print(f"  {'':<14} {'':<19}   epoch × {whole:.3f}, processor × {whole_used:.3f} (goal ≤ 1.05)")
    return {f"step {name}": ratio, f"epoch {name}": whole, f"step {name} processor": used}


def against_monai() -> dict[str, float]:
    """An epoch from the same volumes: scantune as it comes (precision auto) and in float32, MONAI's usual loop."""
    import copy

    import monai
    import torch
    from monai import transforms

    with tempfile.TemporaryDirectory() as name:
        raw, cached, targets = files_twice(Path(name), 24)
        network = make_network("volume", "resnet10_3d", 1)
        names = transforms.Compose([transforms.LoadImaged("image"), transforms.EnsureChannelFirstd("image")])
        rows = [{"image": str(path), "label": float(y)} for path, y in zip(raw, targets)]
        theirs = monai.data.CacheDataset(rows, names, progress=False)
        loader = monai.data.DataLoader(theirs, batch_size=4, shuffle=True)
        plain = copy.deepcopy(network)
        optimizer = torch.optim.Adam(plain.parameters(), 1e-4)

        def monai_epoch() -> None:
            plain.train()
            for samples in loader:
                optimizer.zero_grad()
                loss = torch.nn.functional.mse_loss(plain(samples["image"].float())[:, 0], samples["label"].float())
                loss.backward()
                optimizer.step()
                loss.item()

        with epochs_of(network, cached, targets, 4) as ours:
            sides = {**ours, "monai": monai_epoch}
            for side in sides.values():
                side()
            rounds = [{key: timed(side) for key, side in sides.items()} for _ in range(EPOCHS)]
    ratios = {key: median_ratio(rounds, "monai", key) for key in ("auto", "float32")}
    for key, (wall, used) in ratios.items():
        print(f"  epoch from the same files, MONAI / scantune {key}: {wall:.2f}, processor {used:.2f} (goal > 1)")
    return {f"monai / scantune {key}": wall for key, (wall, _) in ratios.items()}


def half_precision() -> dict[str, float]:
    """bf16 against float32: time of a step, and the figure that both end with."""
    import copy

    import numpy as np
    import torch

    from scantune import engine
    from scantune.engine import half
    from scantune.engine.distributed import resolve_precision
    from scantune.engine.step import train_step
    from scantune.prediction import TensorPredictor

    ratios = {}
    if resolve_precision("auto", "cpu") != "bf16":
        print("  bf16: this CPU has no bf16 in hardware, so auto is 32")
        return {}
    for name, modality, backbone, shape, batch in (*NETS, *LARGER):
        network, data = make_network(modality, backbone, shape[0]), Memory(shape, batch)
        sides = {p: assemble(copy.deepcopy(network), (data, data), batch, p) for p in ("32", "bf16")}
        samples = {"input": data.x, "target": data.y, "index": torch.arange(batch)}
        with half.safe_convolutions(sides["bf16"].raw, enabled=True):
            for side in sides.values():
                side.network.train()
                train_step(side, [dict(samples)])
            rounds = [
                {p: timed(partial(train_step, side, [dict(samples)])) for p, side in sides.items()} for _ in range(7)
            ]
        ratios[f"float32 / bf16 {name}"], used = median_ratio(rounds, "32", "bf16")
        wall = ratios[f"float32 / bf16 {name}"]
        print(f"  bf16 {name:<16} × {wall:.2f} faster than float32, processor × {used:.2f} (goal ≥ 1.4)")
    train, test = Memory((1, 24, 24), 64), Memory((1, 24, 24), 400, 1)
    errors = {}
    for precision in ("32", "bf16"):
        fabric = engine.launch(device="cpu", devices=1, precision=precision)
        network = make_network("image", "small_cnn", 1)
        settings = engine.Settings(epochs=8, batch_size=8, progress=False, learning_rate=1e-3)
        result = engine.fit(network, Mean(), train, test, terms=terms(), settings=settings, fabric=fabric)  # type: ignore[arg-type]
        answers = TensorPredictor([result.network], Mean(), {}).predict(test)  # type: ignore[arg-type]
        errors[precision] = np.abs(answers.reduced - answers.targets)
    draws = np.random.default_rng(0).integers(0, 400, (1000, 400))
    low, high = np.quantile(errors["32"][draws].mean(1), [0.025, 0.975])
    inside = low <= errors["bf16"].mean() <= high
    errors_text = f"float32 {errors['32'].mean():.4f} [{low:.4f}, {high:.4f}], bf16 {errors['bf16'].mean():.4f}"
    print(f"  test MAE: {errors_text} ({'inside' if inside else 'OUTSIDE'})")
    return ratios | {"bf16 figure inside the interval": float(inside)}


def main() -> dict[str, float]:
    prepare()
    print("training, scantune against a bare PyTorch loop")
    ratios: dict[str, float] = {}
    for net in NETS:
        ratios |= step_and_epoch(*net)
    ratios |= against_monai()
    return ratios | half_precision()


if __name__ == "__main__":
    main()
