"""Parts of the GPU benchmark beside the step: MONAI's loop, steps from the cache, DDP, a kill and its resume, maps.

``python -m benchmarks.gpu_checks FOLDER [--small]`` is the training that :func:`killed_and_resumed` kills.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.gpu_nets import NETS, SMALL, MeanError, network_of
from benchmarks.training import Mean, Memory, assemble, prepare

#: Steps after which the training is killed, and its epochs.
KILL_AFTER, EPOCHS = 3, 3


def monai_step(network: Any, data: Any, batch: int, device: Any, term: Any) -> Callable[[], float]:
    """A step of the loop in MONAI's tutorials, float32: its loader on samples that already lie on the device."""
    import monai
    import torch

    rows = [{"input": x.to(device), "target": y.to(device)} for x, y in zip(data.x, data.y)]
    loader = monai.data.DataLoader(monai.data.Dataset(rows), batch_size=batch, shuffle=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=1e-4)
    network.train()

    def batches() -> Iterator[Any]:
        while True:
            yield from loader

    endless = batches()

    def step() -> float:
        samples = next(endless)
        optimizer.zero_grad()
        loss = term.total(network, samples, network(samples["input"])) / len(samples["target"])
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def cached_step(network: Any, modality: str, data: Any, batch: int, device: Any, folder: Path) -> Callable[[], float]:
    """A step of the engine in bf16 as a training takes it: samples read from files in the folder, changed at random as
    by default for the modality, and brought to the device, by as many processes as ``workers: auto`` takes.
    """
    import numpy as np
    from safetensors.torch import save_file

    from scantune import augment, engine
    from scantune.engine.loading import to_device
    from scantune.engine.step import train_step

    paths = [folder / f"{i}.safetensors" for i in range(batch)]
    for path, x in zip(paths, data.x):
        save_file({"input": x.half()}, path)
    targets = data.y[:batch].numpy()
    samples = engine.CachedSamples(paths, targets, augment=augment.build(modality), flip=lambda target: target)
    training = assemble(
        *(network, (samples, samples), batch, "bf16"),
        device=device.type,
        schedule=None,
        loss_terms={"error": MeanError()},
    )
    training.network.train()

    def batches() -> Iterator[Any]:
        for epoch in itertools.count():
            yield from training.train_loader.batches(epoch, [np.arange(batch)] * 100)

    endless = batches()
    return lambda: train_step(training, [to_device(next(endless), device)]).values["loss"]


def one_process_ddp(device: str) -> Any:
    """Fabric with DistributedDataParallel and a process group of one process, on one device."""
    from lightning_fabric import Fabric

    fabric = Fabric(accelerator="cuda" if device == "cuda" else "cpu", devices=1, strategy="ddp", precision="32-true")
    fabric.launch()
    return fabric


def maps(network: Any, x: Any) -> Callable[[], float]:
    """One Grad-CAM map of one sample [C, …space]."""
    from scantune import explain

    plain = copy.deepcopy(network).to(x.device).eval()
    return lambda: float(explain.map(plain, x, method="gradcam").output)


def killed_and_resumed(folder: Path, small: bool) -> dict[str, Any]:
    """A training killed by SIGKILL between two steps and started again, beside one that ran to its end.

    Returns:
        ``same_weights``: whether all weights agree bitwise; ``killed_at_step``: the steps it had saved.
    """
    whole, killed = folder / "whole", folder / "killed"
    _child(whole, small).wait()
    process = _child(killed, small)
    steps = 0
    while process.poll() is None and steps < KILL_AFTER:
        time.sleep(0.005)
        journal = next(killed.glob("state/*.jsonl"), None)
        steps = journal.read_text().count('"kind": "step"') if journal else 0
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = (killed / "digest.txt").exists()
    _child(killed, small).wait()
    digests = [(place / "digest.txt").read_text() for place in (whole, killed)]
    return {"same_weights": digests[0] == digests[1], "killed_at_step": steps, "finished_before": finished}


def _child(folder: Path, small: bool) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.gpu_checks", str(folder), *(["--small"] if small else [])]
    environment = {**os.environ, "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
    folder.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


def train(folder: Path, small: bool) -> str:
    """Train to the end, resuming what is there; the digest of the weights."""
    import hashlib

    import torch

    from scantune import engine

    _, modality, backbone, shape, batch = (SMALL if small else NETS)[0]
    result = engine.fit(
        network_of(modality, backbone, shape[0]),
        Mean(),  # type: ignore[arg-type]
        Memory(shape, 4 * batch),
        Memory(shape, batch, 1),
        terms={"error": MeanError()},
        settings=engine.Settings(
            epochs=EPOCHS, batch_size=batch, progress=False, save_every_steps=1, deterministic=True, watch_parent=False
        ),
        out_dir=folder / "out",
        state_dir=folder / "state",
        fabric=engine.launch(device="cuda" if torch.cuda.is_available() else "cpu", devices=1, precision="32"),
    )
    digest = hashlib.sha256()
    for name, tensor in sorted(result.network.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


def main() -> None:
    """Train, and write the digest of the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    prepare()
    (options.folder / "digest.txt").write_text(train(options.folder, options.small), encoding="utf-8")


if __name__ == "__main__":
    main()
