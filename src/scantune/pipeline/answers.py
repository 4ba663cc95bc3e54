"""A model's outputs for samples, stored so that nothing is predicted twice to be explained or drawn."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from scantune.prediction import Output, TensorPredictor
    from scantune.preprocess.places import Place


@dataclass(frozen=True)
class _PackedMask:
    """Labels […space], uint8, zlib-compressed, with their shape, the network's number of outputs, and whether labels
    overlap."""

    labels: bytes
    shape: tuple[int, ...]
    outputs: int
    overlapping: bool


@dataclass(frozen=True)
class Answers:
    """Averaged output of each sample by its id; for masks the compressed labels, since outputs are large."""

    _outputs: dict[str, Tensor] = field(default_factory=dict)
    _masks: dict[str, _PackedMask] = field(default_factory=dict)

    def keep(
        self, sample_ids: Sequence[str], predictor: TensorPredictor, output: Output, places: Sequence[Place]
    ) -> None:
        """Store the outputs of a batch, whose samples lie at ``places``."""
        labels = predictor.masks(output, places)
        for row, sample_id in enumerate(sample_ids):
            if labels is None:
                self._outputs[sample_id] = output.mean[row].cpu()
            else:
                mask = np.ascontiguousarray(labels[row])
                overlapping = predictor.task.class_axis == "each"
                packed = _PackedMask(zlib.compress(mask.tobytes(), 1), mask.shape, output.mean.shape[1], overlapping)
                self._masks[sample_id] = packed

    def mask(self, sample_id: str) -> np.ndarray:
        """Predicted labels […space], uint8."""
        packed = self._masks[sample_id]
        return np.frombuffer(zlib.decompress(packed.labels), np.uint8).reshape(packed.shape)

    def output(self, sample_id: str) -> Tensor | None:
        """The output [K, …] on the CPU; of masks 1 for the predicted label and 0 for the others; None where the sample
        was not predicted."""
        import torch

        if sample_id not in self._masks:
            return self._outputs.get(sample_id)
        labels = torch.from_numpy(self.mask(sample_id).astype(np.int64))
        outputs = self._masks[sample_id].outputs
        if outputs == 1:
            return labels[None].float()
        if self._masks[sample_id].overlapping:
            return torch.stack([(labels >> i) & 1 for i in range(outputs)]).float()
        return torch.nn.functional.one_hot(labels, outputs).movedim(-1, 0).float()
