"""A GPU's ten minutes: the engine's step beside a bare loop on batches that already lie on the device.

``python -m benchmarks gpu [--small] [--out gpu.json]``, from the checkout with ``PYTHONPATH=src``. Of each net: images
a second of a bare loop and of the engine in float32 and bf16, fp16, channels-last and compiled; the loss after the same
steps, which must agree in float32; the step with samples from the cache, changed at random, beside the one with the
batch on the device; peak memory; predictions a second. Without a GPU it runs on the processor, which takes ``--small``:
that proves the script, not the speed. Beside that (:mod:`benchmarks.gpu_checks`): the loop of MONAI's tutorials, the
engine under DDP on one device, maps a second, and a training that is killed and resumed.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import gpu_checks
from benchmarks.gpu_nets import NETS, SMALL, MeanError, network_of
from benchmarks.training import Memory, assemble, prepare
from scantune.records import first_line

#: What the engine is set to: precision, and further settings.
VARIANTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("float32", "32", {}),
    ("bf16", "bf16", {}),
    ("fp16", "fp16", {}),
    ("bf16 channels-last", "bf16", {"channels_last": True}),
    ("bf16 compiled", "bf16", {"compile": True}),
)
#: Ways whose images a second are compared with those of another one, and the key of their share.
SHARES = (
    ("float32", "bare float32", "share_of_bare"),
    ("bf16", "bare bf16", "share_of_bare"),
    ("bf16 from the cache", "bf16", "share_of_step"),
)


def bare(network: Any, batch: Any, precision: str) -> Callable[[], Any]:
    """A step as one writes it: fused AdamW, the loss read every step."""
    import torch

    kind = batch["input"].device.type
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=1e-4, fused=True)
    term = MeanError()
    network.train()

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(kind, torch.bfloat16, enabled=precision == "bf16"):
            output = network(batch["input"])
        loss = term.total(network, batch, output) / len(batch["target"])
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def ours(
    network: Any, data: Any, batch: Any, precision: str, settings: dict[str, Any], fabric: Any = None
) -> Callable[[], Any]:
    """The engine's step on the same batch."""
    from scantune.engine import loading
    from scantune.engine.step import train_step

    kind = batch["input"].device.type
    training = assemble(
        network,
        data,
        len(batch["target"]),
        precision,
        device=kind,
        schedule=None,
        loss_terms={"error": MeanError()},
        fabric=fabric,
        **settings,
    )
    samples = dict(batch)
    if settings.get("channels_last"):
        shape = loading.memory_format(batch["input"].dim())
        network.to(memory_format=shape)
        samples["input"] = batch["input"].to(memory_format=shape)
    training.network.train()
    return lambda: train_step(training, [samples]).values["loss"]


def measured(step: Callable[[], Any], steps: int, images: int, device: Any) -> dict[str, Any]:
    """Images a second, the loss of the first and of the last step, and the most memory that was taken."""
    import torch

    gpu = device.type == "cuda"
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    warm = max(2, steps // 5)
    first = float(step())
    for _ in range(warm - 1):
        step()
    if gpu:
        torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(steps - warm):
        loss = step()
    if gpu:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    peak = torch.cuda.max_memory_allocated() / 2**30 if gpu else None
    rate = images * (steps - warm) / seconds
    return {"images_per_second": rate, "first_loss": first, "loss": float(loss), "peak_gib": peak}


def of_net(name: str, modality: str, backbone: str, shape: tuple[int, ...], size: int, steps: int) -> dict[str, Any]:
    """All figures of one net, by way; of a way that fails, why."""
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = (Memory(shape, size), Memory(shape, size, 1))
    measurements: dict[str, Any] = {}
    # Every network's forward is the same function to the compiler: after one of another shape it would leave all sizes
    # open, which takes minutes and fails with convolutions of volumes.
    torch.compiler.reset()
    with tempfile.TemporaryDirectory() as folder:
        ways = ways_of(network_of(modality, backbone, shape[0]), modality, data, size, device, Path(folder))
        for way, build in ways.items():
            try:
                measurements[way] = measured(build(), steps, 1 if way == "maps" else size, device)
            except RuntimeError as error:  # of a compiler, or memory: the other ways are measured all the same
                measurements[way] = {"failed": f"{type(error).__name__}: {first_line(error)}"}
    for way, other, key in SHARES:
        rates = [measurements.get(one, {}).get("images_per_second") for one in (way, other)]
        if all(rates):
            measurements[way][key] = rates[0] / rates[1]
    return {"net": name, "batch": size, "steps": steps, **measurements}


def ways_of(
    network: Any, modality: str, data: Any, size: int, device: Any, folder: Path
) -> dict[str, Callable[[], Callable[[], float]]]:
    """What builds the step of each way that the device and the modality have; each has the same weights at its start.

    Args:
        network: on the processor; it is not changed.
        modality: of the images; "mask" for a network of masks.
        data: training and validation set.
        size: of a batch.
        device: of the steps.
        folder: for the files of samples.
    """
    import torch

    batch = {"input": data[0].x[:size].to(device), "target": data[0].y[:size].to(device)}
    batch |= {"index": torch.arange(size, device=device), "group": torch.full((size,), -1, device=device)}

    def there() -> Any:
        return copy.deepcopy(network).to(device)

    def of_engine(precision: str, settings: dict[str, Any], fabric: Any = None) -> Callable[[], float]:
        return ours(copy.deepcopy(network), data, batch, precision, settings, fabric)

    def predictions() -> Callable[[], float]:
        plain = there().eval()
        return torch.inference_mode()(lambda: float(plain(batch["input"]).float().mean()))

    ways: dict[str, Callable[[], Callable[[], float]]] = {
        "bare float32": lambda: bare(there(), batch, "32"),
        "bare bf16": lambda: bare(there(), batch, "bf16"),
    }
    for way, precision, settings in VARIANTS:
        if device.type != "cpu" or (precision != "fp16" and not settings.get("compile")):
            ways[way] = partial(of_engine, precision, settings)
    ways["float32 DDP"] = lambda: of_engine("32", {}, gpu_checks.one_process_ddp(device.type))
    ways["MONAI float32"] = lambda: gpu_checks.monai_step(there(), data[0], size, device, MeanError())
    if modality != "mask":
        ways["bf16 from the cache"] = lambda: gpu_checks.cached_step(there(), modality, data[0], size, device, folder)
        ways["maps"] = lambda: gpu_checks.maps(network, batch["input"][0])
    return ways | {"predictions": predictions}


#: Head of the Markdown table.
HEAD = (
    "| net | way | images/s | of a bare loop; from the cache: of its step on the device | loss | peak GiB |",
    "| --- | --- | --- | --- | --- | --- |",
)


def rows(result: dict[str, Any]) -> list[str]:
    """Rows of the table for a net, one a way."""
    lines = []
    for way, entry in result.items():
        if isinstance(entry, dict) and "failed" in entry:
            lines.append(f"| {result['net']} | {way} | {entry['failed']} | | | |")
        elif isinstance(entry, dict):
            share = next((f"{value:.2f}" for key, value in entry.items() if key.startswith("share")), "")
            peak = "" if entry["peak_gib"] is None else f"{entry['peak_gib']:.2f}"
            rate = f"{entry['images_per_second']:.1f}"
            lines.append(f"| {result['net']} | {way} | {rate} | {share} | {entry['loss']:.5f} | {peak} |")
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, write the JSON after each net."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="sizes cut down: proves the script on a processor")
    parser.add_argument("--steps", type=int, default=0, help="steps of each way; 50, with --small 5")
    parser.add_argument("--out", type=Path, help="JSON")
    options = parser.parse_args(arguments)
    prepare()
    if not torch.cuda.is_available() and not options.small:
        print("no GPU here: add --small to try the script on the processor")
        return 2
    steps = options.steps or (5 if options.small else 50)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "processor"
    report: dict[str, Any] = {"device": device, "torch": torch.__version__, "nets": []}
    print("\n".join([f"{device}, PyTorch {torch.__version__}", "", *HEAD]))
    for net in SMALL if options.small else NETS:
        result = of_net(*net, steps)
        print("\n".join(rows(result)), flush=True)
        report["nets"].append(result)
        _keep(report, options.out)  # a machine that is lent for minutes may end before the last net
    with tempfile.TemporaryDirectory() as folder:
        report["resumed"] = resumed = gpu_checks.killed_and_resumed(Path(folder), options.small)
    print(f"killed after step {resumed['killed_at_step']} and resumed: the same weights: {resumed['same_weights']}")
    _keep(report, options.out)
    return 0


def _keep(report: dict[str, Any], path: Path | None) -> None:
    if path is not None:
        path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
