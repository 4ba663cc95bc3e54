"""A training killed at any moment and started again ends with the very weights of one that was not."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from scantune import engine, losses
from tests.engine.conftest import Nursery
from tests.engine.toy import SCHEDULES, Absolute, LinesSink, Numbers, Squared, Sum, network

OUTPUTS = (
    "checkpoints/last.safetensors",
    "checkpoints/best.safetensors",
    "history.csv",
    "steps.csv",
    "checkpoints.json",
)


def _outputs(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


def _points(state: Path) -> list[tuple[int, str, float]]:
    points = LinesSink(state.parent / f"{state.name}.points").points()
    told = [(step, name, value) for step, values in points for name, value in values.items()]
    return sorted(point for point in told if not point[1].startswith("gradient_norm/"))


def _survives(nursery: Nursery, tmp_path: Path, kills: int, seed: int, **options: Any) -> int:
    """Kill a training at random moments, up to ``kills`` times; how many hit it. The end must be the same."""
    began = time.monotonic()
    assert nursery.train(tmp_path / "whole", tmp_path / "whole_state", **options) == 0
    took = time.monotonic() - began
    moments, hit = random.Random(seed), 0
    for _ in range(kills):
        moment = moments.uniform(0.02, took * 0.5)
        code = nursery.train(tmp_path / "killed", tmp_path / "killed_state", kill_after=moment, **options)
        assert code in (0, -signal.SIGKILL)
        hit += code != 0
    assert nursery.train(tmp_path / "killed", tmp_path / "killed_state", **options) == 0
    assert _outputs(tmp_path / "killed") == _outputs(tmp_path / "whole")
    assert _points(tmp_path / "killed_state") == _points(tmp_path / "whole_state")
    return hit


@pytest.mark.slow
@pytest.mark.parametrize("schedule", list(SCHEDULES))
def test_killed_training_ends_with_the_same_bytes_whatever_the_schedule(
    nursery: Nursery, tmp_path: Path, schedule: str
) -> None:
    assert (
        _survives(nursery, tmp_path, 2, 1, scheduler=schedule, warmup_epochs=0.5, pause=0.002, save_every_steps=2) > 0
    )


def test_killed_with_accumulation_workers_and_early_stopping(nursery: Nursery, tmp_path: Path) -> None:
    options = {"grad_accumulation_steps": 2, "workers": 2, "patience": 2, "pause": 0.002, "save_every_steps": 1}
    assert _survives(nursery, tmp_path, 3, 2, scheduler="plateau", **options) > 0


class _Broken(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("at", [9, 11, 14])
def test_plateau_stopping_and_weights_of_the_loss_remember_what_was_before(tmp_path: Path, at: int) -> None:
    """Broken off in the third epoch or at its edges (five steps each): what hangs on earlier epochs must come back."""

    def trained(name: str, broken: int | None = None) -> engine.FitResult:
        adaptive = losses.schedules.build("adaptive", {"squared": 1.0, "absolute": 1.0})

        def weights(epoch: int, step: int, history: list[dict[str, Any]]) -> dict[str, float]:
            if step == broken:
                raise _Broken
            return adaptive(epoch, step, history)

        return engine.fit(
            network(), Sum(), Numbers(20, 0), Numbers(8, 1), terms={"squared": Squared(), "absolute": Absolute()},
            term_weights=weights,
            settings=engine.Settings(
                epochs=9,
                batch_size=4,
                progress=False,
                save_every_steps=1,
                scheduler={"name": "plateau", "patience": 0, "threshold": 10.0},
                early_stopping={"patience": 3, "min_delta": 1e6},
            ),
            state_dir=tmp_path / name, fabric=engine.launch(device="cpu", devices=1, precision="32"),
        )  # fmt: skip

    whole = trained("whole")
    assert (whole.epochs, whole.finished) == (4, "early stopping")
    assert whole.history[-1]["learning_rate"] < whole.history[0]["learning_rate"] / 3
    with pytest.raises(_Broken):
        trained("broken", at)
    again = trained("broken")
    assert again.resumed
    assert again.history == whole.history
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], tensor), name


@pytest.mark.parametrize("how,code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_told_to_stop_it_saves_and_says_so_by_its_exit_code(
    nursery: Nursery, tmp_path: Path, how: int, code: int
) -> None:
    options = {"pause": 0.01}
    assert nursery.train(tmp_path / "a", tmp_path / "a_state", **options) == 0
    assert nursery.train(tmp_path / "b", tmp_path / "b_state", kill_after=0.4, how=how, **options) == code
    assert (tmp_path / "b_state" / "state.pt").exists()
    assert nursery.train(tmp_path / "b", tmp_path / "b_state", **options) == 0
    assert _outputs(tmp_path / "b") == _outputs(tmp_path / "a")


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(12))
def test_killed_many_times(nursery: Nursery, tmp_path: Path, seed: int) -> None:
    draws = random.Random(seed)
    options: dict[str, Any] = {
        "scheduler": draws.choice(list(SCHEDULES)),
        "warmup_epochs": draws.choice([0.0, 0.5, 1.0]),
        "grad_accumulation_steps": draws.choice([1, 2, 3]),
        "workers": draws.choice([0, 0, 1, 2]),
        "optimizer": draws.choice(["adam", "adamw", "sgd"]),
        "strategy": draws.choice(["best", "epoch", "all", "adaptive", "performance", "time", "interval"]),
        "precision": draws.choice(["32", "bf16"]),
        "sampler": "shuffled",
        "save_every_steps": draws.choice([1, 2, 3]),
        "save_optimizer": draws.choice([False, True]),
        "pause": 0.002,
        "epochs": 5,
    }
    hit = _survives(nursery, tmp_path, 20, seed, **options)
    print(f"kills survived: {hit} ({options})")
    assert hit >= 2
