"""Where a training's figures go beside its history files: MLflow, and TensorBoard or W&B where asked for."""

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
    """Points of a training to its MLflow run. What MLflow does not take is raised: the engine keeps it.

    Args:
        run: the run.
        prefix: of a member's figures, ``fold_0/``; empty for a single network.
    """

    name = "mlflow"

    def __init__(self, run: Run, prefix: str = "") -> None:
        self.run = run
        self.prefix = prefix
        self.name = f"mlflow{prefix.strip('/')}"

    def metrics(self, points: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Take all of ``points`` (step, name to value) or raise."""
        self.run.send([(step, {self.prefix + name: value for name, value in held.items()}) for step, held in points])

    def last(self, name: str) -> int | None:
        """The last step that the run holds of a figure."""
        return self.run.last_step(self.prefix + name)

    def text(self, epoch: int, name: str, words: str) -> None:
        """A text of an epoch as an artifact."""
        self.run.text(words, f"monitoring/{self.prefix}{name}_{epoch:04d}.txt")

    def histogram(self, epoch: int, name: str, counts: np.ndarray, edges: np.ndarray) -> None:
        """Counts by bin as a small table."""
        rows = "\n".join(f"{low:g},{high:g},{count:g}" for low, high, count in zip(edges, edges[1:], counts))
        self.run.text(f"from,to,count\n{rows}\n", f"monitoring/{self.prefix}{name}_{epoch:04d}.csv")


def sinks_of(given: TrainingPlan, member: str, run: Run, state: Path) -> list[Sink]:
    """The sinks of one member's training.

    Args:
        given: the plan.
        member: its name; empty for a single network.
        run: the MLflow run.
        state: the folder that survives a kill: started again, a training goes on in the runs that it began.
    """
    held: list[Sink] = [MlflowSink(run, f"{member}/" if member else "")] if run.on else []
    loggers = given.block.train.loggers
    if loggers.tensorboard:
        from scantune.engine.loggers import TensorBoardSink

        held.append(TensorBoardSink(Path("logs") / given.key / _mark(state) / member))
    if loggers.wandb is not None:
        from scantune.engine.loggers import WandbSink

        name = f"{given.key} {member}".strip()
        config = given.block.model_dump(mode="json")
        artifact = f"{given.key}-{member}".rstrip("-")
        options = loggers.wandb.model_dump() | {"run_id": f"{_mark(state)}-{member}".rstrip("-")}
        held.append(WandbSink(name=name, folder=Path("wandb"), config=config, artifact=artifact, **options))
    return held


def _mark(state: Path) -> str:
    """What tells this training from the experiment's other ones; the same after a kill."""
    path = state / "mark"
    if not path.exists():
        files.write_text(path, secrets.token_hex(4))
    return path.read_text()
