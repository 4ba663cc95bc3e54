from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from scantune.engine import Checkpoints, CheckpointsConfig, EarlyStopping, EarlyStoppingConfig
from scantune.engine.better import is_better
from scantune.engine.durable import read_weights
from scantune.engine.strategies import Entry, Rule
from scantune.records import ScantuneError

VALUES = [0.50, 0.60, 0.58, 0.70, 0.69, 0.71, 0.30, 0.715, math.nan, 0.72]


def _kept(values: list[float], strategy: str, **options: Any) -> list[int]:
    rule = Rule(CheckpointsConfig(strategy=strategy, **options), "max", epochs=10)
    return [e.epoch for e in rule.select([Entry(i + 1, i, v) for i, v in enumerate(values)])]


@pytest.mark.parametrize(
    "name,options,epochs",
    [
        ("best", {"max_checkpoints": 3}, [6, 8, 10]),
        ("epoch", {"max_checkpoints": 4}, [7, 8, 9, 10]),
        ("interval", {"interval": 3}, [3, 6, 9]),
        ("all", {"interval": 4, "max_checkpoints": 4}, [4, 6, 8, 10]),
        ("performance", {"threshold": 0.02, "max_checkpoints": 5}, [6, 8, 10]),
        ("time", {"milestones": (0.25, 0.5, 1.0)}, [3, 5, 10]),
    ],
)
def test_each_strategy_keeps_what_it_says(name: str, options: dict[str, object], epochs: list[int]) -> None:
    assert _kept(VALUES, name, **options) == epochs


def test_adaptive_is_dense_while_the_figure_moves_and_sparse_on_a_plateau() -> None:
    values = [0.1, 0.2, 0.4, 0.8, *[0.8] * 12, 0.4, 0.2]
    kept = _kept(values, "adaptive", max_checkpoints=99, interval=4)
    assert kept[:4] == [1, 2, 3, 4]
    gaps = [b - a for a, b in pairwise(kept)]
    assert gaps[3:6] == [1, 2, 4]
    assert kept[-2:] == [17, 18]


def test_presets() -> None:
    limits = [CheckpointsConfig(strategy=name).limit for name in ("best", "epoch", "adaptive", "performance")]
    assert limits == [3, 5, 5, 3]
    assert CheckpointsConfig(max_checkpoints=7).limit == 7
    tenths = CheckpointsConfig(strategy="time", milestones=[n / 10 for n in range(1, 11)])
    assert tenths.limit == 10
    assert tenths.milestone_epochs(50) == set(range(5, 51, 5))
    assert CheckpointsConfig(milestones=[0.07, 0.14, 0.55]).milestone_epochs(100) == {7, 14, 55}
    with pytest.raises(ValueError, match="'best', 'epoch'"):
        CheckpointsConfig(strategy="worst")


def test_checkpoints_alone_keep_the_best_whatever_the_strategy(tmp_path: Path) -> None:
    keeper = Checkpoints(tmp_path, CheckpointsConfig(strategy="interval", interval=4, monitor="val_dice"))
    for epoch, value in enumerate(VALUES, 1):
        keeper.add(epoch, epoch * 10, value, lambda value=value: {"w": torch.tensor([value])})
        keeper.flush()
        keeper.prune()
    assert [p.name for p in keeper.files()] == [f"epoch-{e:04d}.safetensors" for e in (4, 8, 10)]
    best = keeper.best()
    assert best is not None
    assert (best.epoch, best.value) == (10, 0.72)
    weights, facts = read_weights(keeper.path(8))
    assert weights["w"] == torch.tensor([0.715])
    assert (facts["epoch"], facts["step"], facts["monitor"]) == (8, 80, "val_dice")
    summary = keeper.summary()
    assert summary["best"] == {"epoch": 10, "value": 0.72}
    assert [row["file"] for row in summary["checkpoints"]] == [p.name for p in keeper.files()]


def test_checkpoints_that_no_state_names_are_removed(tmp_path: Path) -> None:
    keeper = Checkpoints(tmp_path, CheckpointsConfig(strategy="epoch"))
    keeper.add(1, 1, 0.5, lambda: {"w": torch.zeros(1)})
    keeper.flush()
    state = keeper.state()
    keeper.add(2, 2, 0.4, lambda: {"w": torch.zeros(1)})
    keeper.flush()
    again = Checkpoints(tmp_path, CheckpointsConfig(strategy="epoch"))
    again.restore(state)
    assert [p.name for p in again.files()] == ["epoch-0001.safetensors"]


def test_early_stopping_alone() -> None:
    stopping = EarlyStopping(EarlyStoppingConfig(patience=2, min_delta=0.1, mode="max"))
    assert [stopping.update(v) for v in (0.5, 0.55, 0.7, math.nan, 0.75)] == [False, False, False, False, True]
    again = EarlyStopping(EarlyStoppingConfig(patience=2, min_delta=0.1, mode="max"))
    again.load(stopping.state())
    assert (again.best, again.wait) == (0.7, 2)


@pytest.mark.parametrize(
    "name,way",
    [("val_loss", "min"), ("val_mae", "min"), ("val_mae_from_15", "min"), ("val_dice", "max"), ("val_f1_macro", "max")],
)
def test_a_loop_without_a_task_goes_by_the_tables_of_all_tasks(name: str, way: str) -> None:
    assert Checkpoints(Path(), CheckpointsConfig(monitor=name)).rule.mode == way
    assert Checkpoints(Path(), CheckpointsConfig(monitor=name, mode="max")).rule.mode == "max"


def test_a_metric_that_no_table_has_needs_a_mode() -> None:
    with pytest.raises(ScantuneError, match="set mode: min or mode: max"):
        Checkpoints(Path(), CheckpointsConfig(monitor="val_my_score"))


def test_nan_is_never_better() -> None:
    assert not is_better(math.nan, 1.0, "min")
    assert not is_better(math.nan, math.nan, "min")
    assert is_better(1.0, math.nan, "min")


def test_in_a_loop_without_a_task_the_metric_decides_which_way_is_better(tmp_path: Path) -> None:
    for monitor, best in (("val_dice", 2), ("val_loss", 1)):
        keeper = Checkpoints(tmp_path / monitor, CheckpointsConfig(max_checkpoints=1, monitor=monitor))
        for epoch, value in enumerate((0.2, 0.9, 0.5), 1):
            keeper.add(epoch, epoch, value, lambda: {"w": torch.zeros(1)})
        assert [entry.epoch for entry in keeper.retained()] == [best]
        stopping = EarlyStopping(EarlyStoppingConfig(patience=1, min_delta=0.0, monitor=monitor))
        assert [stopping.update(value) for value in (0.2, 0.9)] == [False, monitor == "val_loss"]
    losses = EarlyStopping(EarlyStoppingConfig(patience=2, min_delta=0.0))
    assert [losses.update(value) for value in (1.0, 0.5, 0.6, 0.7)] == [False, False, False, True]
