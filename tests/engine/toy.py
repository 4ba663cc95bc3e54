"""A training small enough to be killed hundreds of times, as a module, as a script, and forked from a warm process."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scantune import engine, losses
from scantune.engine.data import Samples


class Numbers:
    """y = Σ x + noise; each sample may take a while, and adds a draw of the epoch."""

    def __init__(self, n: int, seed: int, pause: float = 0.0, jitter: bool = False, partners: bool = False) -> None:
        random = np.random.default_rng(seed)
        self.x = random.normal(size=(n, 4)).astype(np.float32)
        self.y = (self.x.sum(1) + 0.1 * random.normal(size=n)).astype(np.float32)
        self.ids = [f"s{i:03d}" for i in range(n)]
        self.pause, self.jitter, self.epoch, self.partners = pause, jitter, 0, partners

    def __len__(self) -> int:
        return len(self.x)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __getitem__(self, index: int) -> dict[str, Any]:
        time.sleep(self.pause)
        draw = np.random.default_rng([self.epoch, index]).normal(scale=0.05, size=4) if self.jitter else 0.0
        sample = {
            "input": (self.x[index] + draw).astype(np.float32),
            "target": self.y[index],
            "index": index,
            "group": index % 2,
        }
        spoiled = {"has_partner": self.y[index] > 1, "partner": sample["input"] - np.float32(0.5)}
        return sample | (spoiled if self.partners else {})


class Sum:
    """A regression of one number."""

    name, outputs, class_axis, sided = "sum", 1, None, False

    def encode(self, targets: Any) -> np.ndarray:
        return np.float32(targets["y"])

    def flip(self, target: np.ndarray) -> np.ndarray:
        return target

    def reduce(self, output: Tensor, batch: Any) -> Tensor:
        return output[:, 0]

    def reduced_target(self, batch: Any) -> Tensor:
        return batch["target"]

    @property
    def epoch_metrics(self) -> dict[str, str]:
        return {"mae": "min"}

    def summarise(self, reduced: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        return {"mae": float(np.abs(reduced.astype(float) - targets).mean())}

    def fit(self, reduced: np.ndarray, targets: np.ndarray, subjects: list[str]) -> dict[str, Any]:
        return {}

    def epoch_answers(self, reduced: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return targets, reduced


class Squared:
    """Σ w·e² / Σ w with a weight that depends on the target, so that denominators differ between batches."""

    def weight(self, batch: Any) -> Tensor:
        return (1 + (batch["target"] > 0).float()).sum()

    def total(self, network: nn.Module, batch: Any, output: Tensor) -> Tensor:
        return ((1 + (batch["target"] > 0).float()) * (output[:, 0] - batch["target"]) ** 2).sum()


class Absolute:
    """Σ |e| / n."""

    def weight(self, batch: Any) -> Tensor:
        return torch.tensor(float(len(batch["target"])))

    def total(self, network: nn.Module, batch: Any, output: Tensor) -> Tensor:
        return (output[:, 0] - batch["target"]).abs().sum()


class LinesSink:
    """Appends points to a file in one write, and knows what it holds."""

    name = "lines"

    def __init__(self, path: Path) -> None:
        self.path = path

    def metrics(self, points: Any) -> None:
        text = "".join(json.dumps([step, dict(values)]) + "\n" for step, values in points)
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, text.encode())
        os.close(handle)

    def points(self) -> list[tuple[int, dict[str, float]]]:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [(step, values) for step, values in map(json.loads, lines)]

    def last(self, name: str) -> int | None:
        return max((step for step, values in self.points() if name in values), default=None)


def network(dropout: float = 0.1, norm: bool = True, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    middle = [nn.BatchNorm1d(16)] if norm else []
    return nn.Sequential(nn.Linear(4, 16), *middle, nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 1))


#: Exit code of a training that was broken off before a step, the option ``broken``.
BROKEN = 77

#: Schedules with the options of a short run.
SCHEDULES: dict[str, dict[str, Any] | None] = {
    "constant": None,
    "plateau": {"name": "plateau", "patience": 0, "threshold": 0.2},
    "onecycle": {"name": "onecycle"},
    "cosine": {"name": "cosine"},
    "step": {"name": "step", "step_size": 1, "gamma": 0.5},
    "cosine_restarts": {"name": "cosine_restarts", "T_0": 1},
}


def run(folder: Path, state: Path, **options: Any) -> engine.FitResult:
    """One training; ``options`` are plain values, so that they travel as JSON."""
    chosen = {"scheduler": "onecycle", "pause": 0.0, "n": 30, "norm": True, "sinks": True} | options
    defaults = {"epochs": 3, "batch_size": 4, "progress": False, "learning_rate": 0.02}
    settings = {name: value for name, value in chosen.items() if name in engine.Settings.model_fields}
    settings["scheduler"] = SCHEDULES[chosen["scheduler"]]
    settings["checkpoints"] = {key: chosen[key] for key in ("strategy", "save_optimizer") if key in chosen}
    settings["early_stopping"] = {"patience": chosen["patience"]} if "patience" in chosen else False
    comparing = chosen.get("comparing", False)
    data: tuple[Samples, Samples] = (
        Numbers(chosen["n"], 0, chosen["pause"], jitter=True, partners=comparing),
        Numbers(14, 1, chosen["pause"], partners=comparing),
    )
    terms: dict[str, Any] = {"squared": Squared(), "absolute": Absolute()}
    if comparing:  # few samples have partners: some batches and processes have none
        terms |= {"pair": losses.PairTerm(), "scanners": losses.ScannerConsistency()}
    net = network(norm=chosen["norm"], dropout=chosen.get("dropout", 0.1))
    weights = losses.schedules.build(chosen.get("weighting"), dict.fromkeys(terms, 1.0))
    return engine.fit(
        Greedy(net, chosen["greedy"]) if "greedy" in chosen else net,
        Sum(),
        *data,
        terms=terms,
        term_weights=lambda *now: _break_off() if now[1] == chosen.get("broken") else weights(*now),
        settings=engine.Settings(**defaults | settings),
        sinks=[LinesSink(state.parent / f"{state.name}.points")] if chosen["sinks"] else [],
        out_dir=folder,
        state_dir=state,
        freezing=Thaw(chosen["thaw"]) if "thaw" in chosen else None,
        fabric=engine.launch(device="cpu", devices=1, precision=chosen.get("precision", "32")),
    )


def _break_off() -> dict[str, float]:
    raise SystemExit(BROKEN)


class Greedy(nn.Module):
    """In the last process it runs out of memory on more than ``most`` samples, from the third call on."""

    def __init__(self, inner: nn.Module, most: int) -> None:
        super().__init__()
        self.inner, self.most, self.calls = inner, most, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += self.training
        last = int(os.environ.get("RANK", 0)) == int(os.environ.get("WORLD_SIZE", 1)) - 1
        if self.training and last and self.calls > 2 and len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.inner(x)


class Thaw:
    """The first layer is frozen before epoch ``at``; batch norm stays in evaluation mode throughout."""

    def __init__(self, at: int) -> None:
        self.at = at

    def apply(self, network: nn.Module, epoch: int) -> list[str]:
        first: nn.Module = getattr(network, "inner", network)[0]  # type: ignore[index]
        first.requires_grad_(epoch >= self.at)
        return ["first"] if epoch == self.at > 0 else []

    def train_mode(self, network: nn.Module) -> None:
        network.train()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.eval()


def _child(order: dict[str, Any], rank: int) -> None:
    """Run the training and end the process."""
    os.setsid()
    world = order["processes"]
    if world > 1:
        start = _as_slurm_starts if order["options"].pop("slurm", False) else _as_torchrun_starts
        os.environ |= {name: str(value) for name, value in start(rank, world).items()}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(order["port"])}
    if limit := order["options"].pop("file_size", None):  # stands for a full disk: writes fail in mid-file
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        run(Path(order["folder"]), Path(order["state"]), **order["options"])
    except SystemExit as ended:
        os._exit(int(ended.code or 0))
    except BaseException as error:
        if world > 1:
            Path(order["folder"]).with_suffix(f".error{rank}").write_text(f"{type(error).__name__}: {error}")
        elif limit:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
        else:
            traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _as_torchrun_starts(rank: int, world: int) -> dict[str, Any]:
    """All on one node."""
    ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world, "GROUP_RANK": 0}
    return {**ranks, "TORCHELASTIC_RUN_ID": "toy"}


def _as_slurm_starts(rank: int, world: int) -> dict[str, Any]:
    """Each on a node of its own: every one is its node's first."""
    own = {"SLURM_PROCID": rank, "SLURM_NODEID": rank, "SLURM_LOCALID": 0}
    job = {"SLURM_NTASKS": world, "SLURM_NNODES": world, "SLURM_NTASKS_PER_NODE": 1}
    return {**own, **job, "SLURM_JOB_ID": 77, "SLURM_JOB_NAME": "toy", "SLURM_NODELIST": "localhost"}


def serve() -> None:
    """Fork a training for each line of JSON on the standard input; say its process id, and then how it ended."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:  # imports, and the digest of the code, once for all children
        run(Path(folder) / "out", Path(folder) / "state", epochs=1)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            order["port"] = free.getsockname()[1]
        children = []
        for rank in range(order["processes"]):
            children.append(os.fork())
            if children[-1] == 0:
                _child(order, rank)
        print(json.dumps({"pid": children[0]}), flush=True)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(json.dumps({"status": next((code for code in codes if code), 0)}), flush=True)


def main() -> None:
    """One training as torchrun or SLURM start it: folder, state folder and options (JSON) on the command line."""
    torch.set_num_threads(1)
    run(Path(sys.argv[1]), Path(sys.argv[2]), **json.loads(sys.argv[3]))


if __name__ == "__main__":
    main() if len(sys.argv) > 1 else serve()
