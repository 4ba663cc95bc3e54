"""A network with the task's head from the ``model:`` block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scantune.models import own_weights
from scantune.pipeline.data.sides import Side
from scantune.records import ScantuneError
from scantune.tasks.networks import NetworkFacts
from scantune.tasks.protocol import Task

if TYPE_CHECKING:
    import numpy as np

    from scantune.config.model import ModelConfig, NormalizationConfig
    from scantune.models.backbone import Modality, Normalization
    from scantune.models.network import Network


def tensor_shape(side: Side, patch: tuple[int, ...] | None = None) -> tuple[int, ...]:
    """Shape [C, …] of what the network sees of the side's cached tensors.

    Args:
        side: the samples.
        patch: shape of a patch along their axes of space; None where whole tensors are seen.

    Raises:
        ScantuneError: the side is empty, or its tensors differ in shape (a batch needs one), or with patches in their
            number of channels.
    """
    shapes = {member.shape if patch is None else (member.shape[0], *patch) for member in side}
    if len(shapes) != 1:
        several = ", ".join("×".join(map(str, shape)) for shape in sorted(shapes)[:4]) or "none"
        raise ScantuneError(
            f"the samples must have one shape to make batches; they have {several}: set `shape` in `inputs`, or "
            "for a segmentation `patch`"
        )
    return shapes.pop()


def build_network(
    task: Task,
    block: ModelConfig,
    modality: Modality,
    shape: tuple[int, ...],
    seed: int,
    targets: np.ndarray | None = None,
) -> Network:
    """A network with the block's initial weights and the task's head.

    Args:
        task: what it predicts.
        block: the ``model:`` settings.
        modality: image, volume or video.
        shape: of the cached tensors, [C, …].
        seed: of random weights, head's too.
        targets: [N, …] of the training side, encoded, that the output starts from where ``init_output`` is on.

    Raises:
        ScantuneError: the weights file does not have the block's digest.
    """
    own_weights.check(block)
    facts = NetworkFacts(
        block.backbone,
        modality,
        shape,
        seed,
        block.dropout,
        {
            "weights": block.source,
            "normalization": _normalization(block.normalization),
            "min_matched": block.min_matched,
            "weights_folder": block.weights_folder,
            "download": block.download,
            "first_stride": block.first_stride,
            **block.options,
        },
    )
    return task.network(facts, targets if block.init_output else None)


def _normalization(block: str | NormalizationConfig | None) -> str | Normalization | None:
    from scantune.models import Normalization

    if block == "foreground":  # of the training samples, once the network is built
        return None
    return block if block is None or isinstance(block, str) else Normalization(block.mean, block.std)
