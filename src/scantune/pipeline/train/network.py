"""The ``model:`` block to a network with the task's head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from scantune.pipeline.data.sides import Side
from scantune.records import ScantuneError
from scantune.tasks.protocol import Task

if TYPE_CHECKING:
    import numpy as np

Modality = Literal["image", "volume", "video"]


def tensor_shape(side: Side) -> tuple[int, ...]:
    """Shape [C, …] of the side's cached tensors.

    Raises:
        ScantuneError: the side is empty, or its tensors differ in shape (a batch needs one).
    """
    shapes = {member.shape for member in side}
    if len(shapes) != 1:
        found = ", ".join("×".join(map(str, shape)) for shape in sorted(shapes)[:4]) or "none"
        raise ScantuneError(f"the samples must have one shape to make batches; found {found}: set `shape` in `inputs`")
    return shapes.pop()


def build_network(
    task: Task,
    block: Any,
    modality: Modality,
    shape: tuple[int, ...],
    seed: int,
    targets: np.ndarray | None = None,
) -> Any:
    """A network with starting weights as the block says, and the task's head.

    Args:
        task: what it answers.
        block: the ``model:`` settings.
        modality: image, volume or video.
        shape: of the cached tensors, [C, …].
        seed: of random weights, head's too.
        targets: [N, …] of the training side, encoded, that the output starts from where ``init_output`` is on.
    """
    import torch

    from scantune import models

    shared = {
        "in_channels": shape[0],
        "weights": block.source,
        "normalization": _normalization(block.normalization),
        "min_matched": block.min_matched,
        "weights_folder": block.weights_folder,
        "download": block.download,
        "seed": seed,
        "first_stride": block.first_stride,
        **block.options,
    }
    if task.dense:
        if shared.pop("first_stride") is not None:
            raise ScantuneError("model.first_stride: networks that answer per pixel keep their full resolution")
        ndim = 3 if modality == "volume" else 2
        backbone = models.build_dense(block.backbone, ndim=ndim, out_channels=task.outputs, **shared)
        return models.Network(backbone)
    backbone = models.build(block.backbone, modality=modality, size=shape[1:], **shared)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = task.head(backbone.feature_dim, targets if block.init_output else None)
    if block.dropout:
        head = torch.nn.Sequential(torch.nn.Dropout(block.dropout), head)
    return models.Network(backbone, head)


def _normalization(block: Any) -> Any:
    from scantune.models import Normalization

    return block if block is None or isinstance(block, str) else Normalization(block.mean, block.std)
