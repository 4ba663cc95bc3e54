"""Two processes give the figures of one with the same effective batch."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from scantune.engine.distributed import device_kind, launch, resolve_precision
from scantune.records import ScantuneError
from tests.engine.conftest import ROOT, Nursery
from tests.engine.toy import BROKEN

#: Plain steps: adam's would hide gradients that are all too large.
SAME = {"dropout": 0.0, "n": 29, "thaw": 1, "epochs": 3, "optimizer": "sgd"}


def _same(one: Path, other: Path) -> None:
    first, second = (load_file(f / "checkpoints" / "last.safetensors") for f in (one, other))
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=1e-4, atol=1e-6, err_msg=name)
    rows = [list(csv.DictReader((f / "history.csv").open())) for f in (one, other)]
    assert len(rows[0]) == len(rows[1]) == SAME["epochs"]
    for a, b in zip(*rows):
        figures = [name for name in a if name.startswith(("train_", "val_"))]
        assert {"train_squared_loss", "train_mae", "val_loss", "val_absolute_loss", "val_mae"} < set(figures)
        for column in figures:
            assert float(a[column]) == pytest.approx(float(b[column]), rel=1e-4, abs=1e-6), column


def test_two_processes_give_the_figures_of_one(nursery: Nursery, tmp_path: Path) -> None:
    assert nursery.train(tmp_path / "one", tmp_path / "s1", **SAME, batch_size=4, grad_accumulation_steps=2) == 0
    assert nursery.train(tmp_path / "two", tmp_path / "s2", **SAME, batch_size=4, processes=2) == 0
    _same(tmp_path / "one", tmp_path / "two")


def test_two_processes_give_the_figures_of_one_where_samples_are_compared(nursery: Nursery, tmp_path: Path) -> None:
    options = {**SAME, "batch_size": 4, "comparing": True}
    assert nursery.train(tmp_path / "one", tmp_path / "s1", **options, grad_accumulation_steps=2) == 0
    assert nursery.train(tmp_path / "two", tmp_path / "s2", **options, processes=2) == 0
    _same(tmp_path / "one", tmp_path / "two")
    assert float(list(csv.DictReader((tmp_path / "two" / "history.csv").open()))[-1]["val_scanners_loss"]) > 0


def test_two_nodes_of_a_cluster_give_the_figures_of_one(nursery: Nursery, tmp_path: Path) -> None:
    assert nursery.train(tmp_path / "one", tmp_path / "s1", **SAME, batch_size=4, grad_accumulation_steps=2) == 0
    assert nursery.train(tmp_path / "two", tmp_path / "s2", **SAME, batch_size=4, processes=2, slurm=True) == 0
    _same(tmp_path / "one", tmp_path / "two")


@pytest.mark.parametrize(
    ("variables", "devices", "nodes"),
    [
        ({}, 4, 1),  # started alone: all GPUs that are visible
        ({"LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "6"}, 2, 3),
        ({"SLURM_NTASKS": "8", "SLURM_NNODES": "2", "SLURM_PROCID": "5", "SLURM_JOB_NAME": "loes"}, 4, 2),
    ],
    ids=["alone", "torchrun", "SLURM"],
)
def test_gpus_are_all_those_visible_or_what_the_cluster_says(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], devices: int, nodes: int
) -> None:
    import lightning_fabric

    calls: list[dict[str, Any]] = []
    for name in [name for name in os.environ if name.startswith("SLURM_") or "WORLD_SIZE" in name]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(lightning_fabric, "Fabric", lambda **keywords: calls.append(keywords) or MagicMock())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    launch(device="cuda", precision="32", find_unused_parameters=True)
    assert (calls[0]["devices"], calls[0]["num_nodes"], calls[0]["accelerator"]) == (devices, nodes, "cuda")
    assert calls[0]["strategy"]._ddp_kwargs["find_unused_parameters"] is True


@pytest.mark.slow
def test_two_processes_stopped_and_started_again_end_the_same(nursery: Nursery, tmp_path: Path) -> None:
    options = {**SAME, "pause": 0.01, "processes": 2, "save_every_steps": 1}
    assert nursery.train(tmp_path / "whole", tmp_path / "s1", **options) == 0
    code = nursery.train(tmp_path / "cut", tmp_path / "s2", kill_after=0.8, how=15, **options)
    assert code in (143, 0)
    assert nursery.train(tmp_path / "cut", tmp_path / "s2", **options) == 0
    for name in ("checkpoints/last.safetensors", "checkpoints/best.safetensors"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"weighting": "adaptive", "broken": 9},
        {"validate_every": 3, "broken": 5},
        {"monitor": "train_loss", "scheduler": "plateau", "broken": 6},
    ],
    ids=["weights of the loss by the history", "an epoch without validation", "a metric of the training side"],
)
def test_two_processes_broken_off_in_an_epoch_know_what_was_before(
    nursery: Nursery, tmp_path: Path, options: dict[str, Any]
) -> None:
    options = {**SAME, "processes": 2, "save_every_steps": 1, "batch_size": 4, **options}
    broken = options.pop("broken")
    assert nursery.train(tmp_path / "whole", tmp_path / "s1", **options) == 0
    assert nursery.train(tmp_path / "cut", tmp_path / "s2", **options, broken=broken) == BROKEN
    assert nursery.train(tmp_path / "cut", tmp_path / "s2", **options) == 0
    for name in ("history.csv", "steps.csv", "checkpoints/last.safetensors", "checkpoints/best.safetensors"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


@pytest.mark.slow
def test_when_one_process_runs_out_of_memory_all_end_with_its_message_and_start_again_smaller(
    nursery: Nursery, tmp_path: Path
) -> None:
    options = {**SAME, "batch_size": 4, "save_every_steps": 1, "processes": 2, "greedy": 99}
    assert nursery.train(tmp_path / "whole", tmp_path / "s1", **options) == 0
    greedy = {**options, "greedy": 3, "on_out_of_memory": "halve"}
    began = time.monotonic()
    assert nursery.train(tmp_path / "cut", tmp_path / "s2", **greedy) == 1
    assert time.monotonic() - began < 120  # the other one did not wait for gradients that do not come
    first, last = ((tmp_path / f"cut.error{rank}").read_text() for rank in (0, 1))
    assert "batch_size 2 and grad_accumulation_steps 2" in last
    assert "process 1 failed: OutOfMemoryError" in first
    assert "batch_size 2 and grad_accumulation_steps 2" in first
    assert nursery.train(tmp_path / "cut", tmp_path / "s2", **greedy) == 0
    _same(tmp_path / "whole", tmp_path / "cut")  # the same samples a step


@pytest.mark.heavy
def test_torchrun_gives_the_figures_of_one_process(nursery: Nursery, tmp_path: Path) -> None:
    assert nursery.train(tmp_path / "one", tmp_path / "s1", **SAME, batch_size=4, grad_accumulation_steps=4) == 0
    options = json.dumps({**SAME, "batch_size": 4, "grad_accumulation_steps": 2})
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    subprocess.run(
        [*launcher, "-m", "tests.engine.toy", str(tmp_path / "two"), str(tmp_path / "s2"), options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"},
        check=True,
    )
    _same(tmp_path / "one", tmp_path / "two")


def test_fp16_on_a_cpu_is_refused_and_not_turned_into_something_else() -> None:
    with pytest.raises(ScantuneError, match="needs a GPU"):
        resolve_precision("fp16", "cpu")


@pytest.mark.parametrize(
    ("device", "why"),
    [
        ("cuda", "'cuda' is not usable on this machine; usable are auto, cpu"),
        ("tpu", "'tpu' is not known; usable are auto, cpu"),
    ],
)
def test_a_device_that_is_not_there_is_told(device: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ScantuneError, match=f"device: {why}"):
        device_kind(device)
    assert device_kind() == device_kind("cpu") == "cpu"
