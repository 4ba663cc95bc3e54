"""Training: a step and an epoch against a bare PyTorch loop, an epoch against MONAI's usual one, bf16 against float32.

Nets and data are the same on both sides and every loss is compared before a time counts. The sides take turns step by
step, so that a busy machine disturbs both alike; ratios are medians of neighbours.
"""

from __future__ import annotations

import logging
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

#: Name, modality, backbone, shape of a sample, batch: nets of 100 ms a step and more on two cores.
NETS = (
    ("image 160²", "image", "resnet18", (3, 160, 160), 4),
    ("volume 48³", "volume", "resnet10_3d", (1, 48, 48, 48), 4),
    ("video 8 × 48²", "video", "r2plus1d_18", (3, 8, 48, 48), 2),
)
SAMPLES, STEPS, EPOCHS = 16, 15, 5


def _threads() -> None:
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))


class _Memory:
    """Samples of noise whose mean is the target."""

    def __init__(self, shape: tuple[int, ...], n: int, seed: int = 0) -> None:
        import torch

        generator = torch.Generator().manual_seed(seed)
        self.y = torch.rand(n, generator=generator)
        offset = self.y.reshape(n, *[1] * len(shape))
        self.x = torch.randn((n, *shape), generator=generator) * 0.5 + offset

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"input": self.x[index], "target": self.y[index], "index": index, "group": -1}


class _Mean:
    """Regression of one number, with no more figures than the bare loop has."""

    name, dense, outputs = "mean", False, 1

    def reduce(self, output: Any, batch: Any) -> Any:
        return output[:, 0]

    def summarise(self, reduced: Any, targets: Any) -> dict[str, float]:
        return {}


def _terms() -> dict[str, Any]:
    from scantune import losses

    return {"mse": losses.OnTarget(losses.build("mse").components["mse"])}


def _network(modality: str, backbone: str, channels: int) -> Any:
    import torch

    from scantune import models

    torch.manual_seed(0)
    made = models.build(backbone, modality=modality, in_channels=channels)
    return models.Network(made, torch.nn.Linear(made.feature_dim, 1))


def _assembled(network: Any, data: Any, batch: int, precision: str, epochs: int = 99) -> Any:
    from scantune import engine
    from scantune.engine import fitting
    from scantune.engine.checkpoints import Checkpoints

    settings = engine.Settings(epochs=epochs, batch_size=batch, progress=False, gradient_norms=False)
    return fitting._assemble(
        network=network,
        task=_Mean(),
        data=data,
        terms=_terms(),
        settings=settings,
        term_weights=fitting._ones(_terms()),
        optimizer=engine.OptimizerSpec(learning_rate=1e-4),
        parameter_groups=None,
        schedule=engine.Schedule("onecycle"),
        freezing=None,
        mixing=None,
        early_stopping=None,
        checkpoints=Checkpoints(Path(tempfile.mkdtemp()), engine.Strategy()),
        state_dir=None,
        fabric=engine.launch(device="cpu", devices=1, precision=precision),
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


def _timed(call: Callable[[], Any]) -> tuple[float, float]:
    """Seconds on the wall, and of the processor: others on the machine disturb these less."""
    began, used = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - began, time.process_time() - used


def _ratio(rounds: list[dict[str, tuple[float, float]]], above: str, below: str) -> tuple[float, float]:
    """Median of the neighbours' ratios, by wall and by processor."""
    found = [statistics.median(r[above][i] / r[below][i] for r in rounds) for i in (0, 1)]
    return found[0], found[1]


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
    from scantune.engine.signals import ParentWatch, StopFlag
    from scantune.engine.step import train_step

    data = (_Memory(shape, SAMPLES), _Memory(shape, batch, 1))
    network = _network(modality, backbone, shape[0])
    training = _assembled(copy.deepcopy(network), data, batch, "32")
    plain = copy.deepcopy(network)
    step, _ = _bare(plain, "32")
    x, y = data[0].x[:batch], data[0].y[:batch]
    held = {"input": x, "target": y, "index": torch.arange(batch), "group": torch.full((batch,), -1)}
    training.network.train()

    def ours() -> None:
        training.schedule.apply(training.plain_optimizer, training.position.step, 10_000, 1)
        training.history.step(1, 1, train_step(training, [dict(held)]).values)
        training.position.step += 1

    first = step(x, y)
    ours()
    assert abs(first - training.history.rows[0]["loss"]) < 1e-4 * max(1, abs(first)), "the losses differ"
    pairs = [{"ours": _timed(ours), "bare": _timed(lambda: step(x, y))} for _ in range(STEPS)]
    ratio, used = _ratio(pairs, "ours", "bare")
    milliseconds = 1000 * statistics.median(pair["bare"][0] for pair in pairs)

    saver = Saver(training, StopFlag(ParentWatch(False)), Delivery((), None))

    def our_epoch() -> None:
        training.position.in_epoch = 0
        _train_epoch(training, saver, Progress(training, shown=False))
        validation.validate(training)
        training.position.epoch += 1

    loaders = [DataLoader(held, batch, shuffle=i == 0) for i, held in enumerate(data)]

    def bare_epoch() -> None:
        for held in loaders[0]:
            step(held["input"], held["target"])
        plain.eval()
        with torch.no_grad():
            for held in loaders[1]:
                torch.nn.functional.mse_loss(plain(held["input"])[:, 0], held["target"]).item()

    epochs = [{"ours": _timed(our_epoch), "bare": _timed(bare_epoch)} for _ in range(EPOCHS)]
    whole, whole_used = _ratio(epochs, "ours", "bare")
    print(f"  {name:<14} bare step {milliseconds:6.0f} ms   step × {ratio:.3f}, processor × {used:.3f} (goal ≤ 1.03)")
    print(f"  {'':<14} {'':<19}   epoch × {whole:.3f}, processor × {whole_used:.3f} (goal ≤ 1.05)")
    return {f"step {name}": ratio, f"epoch {name}": whole, f"step {name} processor": used}


def _files(folder: Path, n: int) -> tuple[list[Path], list[Path], Any]:
    """The same volumes twice: as NIfTI, and as scantune caches them."""
    import nibabel
    import numpy as np
    import torch
    from safetensors.torch import save_file

    held = _Memory((1, 48, 48, 48), n)
    raw, cached = [], []
    for i in range(n):
        volume = held.x[i].to(torch.float16).to(torch.float32)
        raw.append(folder / f"{i}.nii.gz")
        nibabel.save(nibabel.Nifti1Image(volume[0].numpy(), np.eye(4)), raw[-1])
        cached.append(folder / f"{i}.safetensors")
        save_file({"input": volume.to(torch.float16)}, cached[-1])
    return raw, cached, held.y


def against_monai() -> dict[str, float]:
    """An epoch from the same volumes: scantune as it comes (precision auto) and in float32, MONAI's usual loop."""
    import copy

    import monai
    import torch
    from monai import transforms

    from scantune import engine
    from scantune.engine import distributed, half
    from scantune.engine.delivery import Delivery
    from scantune.engine.loop import _train_epoch
    from scantune.engine.progress import Progress
    from scantune.engine.saving import Saver
    from scantune.engine.signals import ParentWatch, StopFlag

    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        raw, cached, targets = _files(Path(name), 24)
        network = _network("volume", "resnet10_3d", 1)
        names = transforms.Compose([transforms.LoadImaged("image"), transforms.EnsureChannelFirstd("image")])
        rows = [{"image": str(path), "label": float(y)} for path, y in zip(raw, targets)]
        theirs = monai.data.CacheDataset(rows, names, progress=False)
        loader = monai.data.DataLoader(theirs, batch_size=4, shuffle=True)
        plain = copy.deepcopy(network)
        optimizer = torch.optim.Adam(plain.parameters(), 1e-4)

        def monai_epoch() -> None:
            plain.train()
            for held in loader:
                optimizer.zero_grad()
                loss = torch.nn.functional.mse_loss(plain(held["image"].float())[:, 0], held["label"].float())
                loss.backward()
                optimizer.step()
                loss.item()

        def runner(precision: str) -> Callable[[], None]:
            data = engine.CachedSamples(cached, targets.numpy())
            training = _assembled(copy.deepcopy(network), (data, data), 4, precision)
            stack.enter_context(half.guarded(training.raw, distributed.is_bf16_on_cpu(training.fabric)))
            saver = Saver(training, StopFlag(ParentWatch(False)), Delivery((), None))

            def epoch() -> None:
                training.position.in_epoch = 0
                _train_epoch(training, saver, Progress(training, shown=False))
                training.position.epoch += 1

            return epoch

        sides = {"auto": runner("auto"), "float32": runner("32"), "monai": monai_epoch}
        for side in sides.values():
            side()
        rounds = [{key: _timed(side) for key, side in sides.items()} for _ in range(EPOCHS)]
    found = {key: _ratio(rounds, "monai", key)[0] for key in ("auto", "float32")}
    print(f"  epoch from the same files, MONAI / scantune: {found['auto']:.2f} as it comes (goal > 1), ", end="")
    print(f"{found['float32']:.2f} in float32")
    return {f"monai / scantune {key}": value for key, value in found.items()}


def half_precision() -> dict[str, float]:
    """bf16 against float32: time of a step, and the figure that both end with."""
    import copy

    import numpy as np
    import torch

    from scantune import engine
    from scantune.engine import half
    from scantune.engine.distributed import resolve_precision
    from scantune.engine.step import train_step

    found = {}
    if resolve_precision("auto", "cpu") != "bf16":
        print("  bf16: this CPU has no bf16 in hardware, so auto is 32")
        return {}
    for name, modality, backbone, shape, batch in NETS:
        network, data = _network(modality, backbone, shape[0]), _Memory(shape, batch)
        sides = {p: _assembled(copy.deepcopy(network), (data, data), batch, p) for p in ("32", "bf16")}
        held = {"input": data.x, "target": data.y, "index": torch.arange(batch)}
        with half.guarded(sides["bf16"].raw, enabled=True):
            for side in sides.values():
                side.network.train()
                train_step(side, [dict(held)])
            rounds = [
                {p: _timed(partial(train_step, side, [dict(held)])) for p, side in sides.items()} for _ in range(7)
            ]
        found[f"float32 / bf16 {name}"] = _ratio(rounds, "32", "bf16")[0]
        print(f"  bf16 {name:<14} × {found[f'float32 / bf16 {name}']:.2f} faster than float32 (goal ≥ 1.4)")
    train, test = _Memory((1, 24, 24), 64), _Memory((1, 24, 24), 400, 1)
    errors = {}
    for precision in ("32", "bf16"):
        fabric = engine.launch(device="cpu", devices=1, precision=precision)
        network = _network("image", "small_cnn", 1)
        settings = engine.Settings(epochs=8, batch_size=8, progress=False)
        options = {"terms": _terms(), "settings": settings, "optimizer": engine.OptimizerSpec(learning_rate=1e-3)}
        result = engine.fit(network, _Mean(), train, test, fabric=fabric, **options)  # type: ignore[arg-type]
        answers = engine.predict(result.network, _Mean(), test, fabric=fabric)  # type: ignore[arg-type]
        errors[precision] = np.abs(answers.reduced - answers.targets)
    draws = np.random.default_rng(0).integers(0, 400, (1000, 400))
    low, high = np.quantile(errors["32"][draws].mean(1), [0.025, 0.975])
    inside = low <= errors["bf16"].mean() <= high
    said = f"float32 {errors['32'].mean():.4f} [{low:.4f}, {high:.4f}], bf16 {errors['bf16'].mean():.4f}"
    print(f"  test MAE: {said} ({'inside' if inside else 'OUTSIDE'})")
    return found | {"bf16 figure inside the interval": float(inside)}


def main() -> dict[str, float]:
    warnings.simplefilter("ignore")
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    _threads()
    print("training, scantune against a bare PyTorch loop")
    found: dict[str, float] = {}
    for net in NETS:
        found |= step_and_epoch(*net)
    found |= against_monai()
    return found | half_precision()


if __name__ == "__main__":
    main()
