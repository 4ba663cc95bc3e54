"""Destinations of a training's metrics beside its history files: MLflow, and TensorBoard or W&B if requested."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scantune import files
from scantune.pipeline.train.training import TrainingPlan
from scantune.tracking import Run

if TYPE_CHECKING:
    import numpy as np

    from scantune.engine import Sink


class MlflowSink:
    """Sends the points of a training to its MLflow run, or raises: the engine keeps undelivered points.

    Args:
        run: the run.
        prefix: of a member's metrics, ``fold_0/``; empty for a single network.
    """

    name = "mlflow"

    def __init__(self, run: Run, prefix: str = "") -> None:
        self.run = run
        self.prefix = prefix
        self.name = f"mlflow{prefix.strip('/')}"

    def metrics(self, points: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Send all ``points`` (step, name to value), or raise."""
        self.run.send(
            [(step, {self.prefix + name: value for name, value in values.items()}) for step, values in points]
        )

    def last(self, name: str) -> int | None:
        """The last step of a metric in the run."""
        return self.run.last_step(self.prefix + name)

    def text(self, epoch: int, name: str, words: str) -> None:
        """A text of an epoch as an artifact."""
        self.run.text(words, f"monitoring/{self.prefix}{name}_{epoch:04d}.txt")

    def histogram(self, epoch: int, name: str, counts: np.ndarray, edges: np.ndarray) -> None:
        """Counts by bin as a small table."""
        rows = "\n".join(f"{low:g},{high:g},{count:g}" for low, high, count in zip(edges, edges[1:], counts))
        self.run.text(f"from,to,count\n{rows}\n", f"monitoring/{self.prefix}{name}_{epoch:04d}.csv")


def sinks_of(plan: TrainingPlan, member: str, run: Run, state: Path) -> list[Sink]:
    """The sinks of one member's training.

    Args:
        plan: the plan.
        member: its name; empty for a single network.
        run: the MLflow run.
        state: the folder that survives an interruption: a training that is started again resumes its runs.
    """
    sinks: list[Sink] = [MlflowSink(run, f"{member}/" if member else "")] if run.on else []
    loggers = plan.block.train.loggers
    if loggers.tensorboard:
        from scantune.engine.loggers import TensorBoardSink

        sinks.append(TensorBoardSink(Path("logs") / plan.key / _mark(state) / member))
    if loggers.wandb is not None:
        from scantune.engine.loggers import WandbSink

        name = f"{plan.key} {member}".strip()
        config = plan.block.model_dump(mode="json")
        artifact = f"{plan.key}-{member}".rstrip("-")
        options = loggers.wandb.model_dump() | {"run_id": f"{_mark(state)}-{member}".rstrip("-")}
        sinks.append(WandbSink(name=name, folder=Path("wandb"), config=config, artifact=artifact, **options))
    return sinks


def _mark(state: Path) -> str:
    """Identifier of this training, unchanged after an interruption."""
    path = state / "mark"
    if not path.exists():
        files.write_text(path, secrets.token_hex(4))
    return path.read_text()
