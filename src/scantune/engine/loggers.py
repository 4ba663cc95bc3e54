"""Loggers beside the history files: TensorBoard and Weights & Biases, imported on use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from scantune.engine.delivery import Point
from scantune.records import ScantuneError


class TensorBoardSink:
    """Event files for TensorBoard.

    Args:
        folder: of the event files.

    Raises:
        ScantuneError: TensorBoard is not installed.
    """

    name = "tensorboard"

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ScantuneError("train.loggers.tensorboard needs TensorBoard: pip install tensorboard") from error
        self.writer = SummaryWriter(str(folder))

    def metrics(self, points: Sequence[Point]) -> None:
        """Scalars by step."""
        for step, values in points:
            for name, value in values.items():
                self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def histogram(self, epoch: int, name: str, counts: Sequence[int], edges: Sequence[float]) -> None:
        """A histogram of counts between edges."""
        middles = [(low + high) / 2 for low, high in pairwise(edges)]
        total = sum(c * m for c, m in zip(counts, middles))
        squares = sum(c * m * m for c, m in zip(counts, middles))
        self.writer.add_histogram_raw(
            name,
            min=edges[0],
            max=edges[-1],
            num=sum(counts),
            sum=total,
            sum_squares=squares,
            bucket_limits=list(edges[1:]),
            bucket_counts=list(counts),
            global_step=epoch,
        )

    def text(self, epoch: int, name: str, text: str) -> None:
        """A text."""
        self.writer.add_text(name, text, epoch)

    def image(self, epoch: int, name: str, pixels: Any) -> None:
        """A picture, uint8 [H, W] or [H, W, 3]."""
        self.writer.add_image(name, pixels, epoch, dataformats="HW" if pixels.ndim == 2 else "HWC")
        self.writer.flush()

    def close(self) -> None:
        """Close the files."""
        self.writer.close()


class WandbSink:
    """A Weights & Biases run.

    Steps and epochs are separate axes (``step/…`` against ``step/step``, the rest against ``epoch``), because a W&B run
    accepts each step only once.

    Args:
        folder: of the files of an offline run.
        project: W&B project.
        name: displayed name of the run.
        entity: W&B team or user.
        mode: ``offline`` or ``online``.
        run_id: id of the run; the same after a resume.
        config: settings displayed with the run.
        artifact: name of the model artifact.

    Raises:
        ScantuneError: W&B is not installed.
    """

    name = "wandb"

    def __init__(
        self,
        folder: Path,
        *,
        project: str,
        name: str | None = None,
        entity: str | None = None,
        mode: str = "offline",
        run_id: str | None = None,
        config: Mapping[str, Any] | None = None,
        artifact: str = "model",
    ) -> None:
        try:
            import wandb
        except ImportError as error:
            raise ScantuneError("train.loggers.wandb needs Weights & Biases: pip install wandb") from error
        folder.mkdir(parents=True, exist_ok=True)
        self.wandb, self.artifact = wandb, artifact
        self.run = wandb.init(
            dir=str(folder),
            project=project,
            name=name,
            entity=entity,
            mode=mode,  # type: ignore[arg-type]
            id=run_id,
            resume="allow" if mode == "online" else None,
            config=dict(config or {}),
            settings=wandb.Settings(console="off", silent=True, save_code=False, disable_git=True),
        )
        self.run.define_metric("step/*", step_metric="step/step")
        self.run.define_metric("*", step_metric="epoch")

    def metrics(self, points: Sequence[Point]) -> None:
        """Metrics by step or epoch."""
        for step, values in points:
            axis = "step/step" if any(name.startswith("step/") for name in values) else "epoch"
            self.run.log({**values, axis: step})

    def histogram(self, epoch: int, name: str, counts: Sequence[int], edges: Sequence[float]) -> None:
        """A histogram of counts between edges."""
        histogram = self.wandb.Histogram(np_histogram=(np.array(counts), np.array(edges)))
        self.run.log({f"histogram/{name}": histogram, "epoch": epoch})

    def image(self, epoch: int, name: str, pixels: Any) -> None:
        """A picture, uint8 [H, W] or [H, W, 3]."""
        self.run.log({name: self.wandb.Image(pixels), "epoch": epoch})

    def model(self, path: Path) -> None:
        """A weights file as an artifact."""
        artifact = self.wandb.Artifact(self.artifact, type="model")
        artifact.add_file(str(path))
        self.run.log_artifact(artifact)

    def close(self) -> None:
        """Finish the run."""
        self.run.finish()
