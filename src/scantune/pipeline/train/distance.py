"""Reference features of the training images, from which a model measures the distance of a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from scantune.engine.loading import Loader
from scantune.engine.samplers import shard
from scantune.models import reference
from scantune.pipeline.data.datasets import samples
from scantune.pipeline.data.sides import Side
from scantune.pipeline.train.training import TrainingPlan
from scantune.preprocess.settings import patch_shape
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.models.network import Network


def fit(plan: TrainingPlan, network: Network, train: Side, unseen: Side, device: torch.device) -> reference.Reference:
    """The reference of a trained network, see :mod:`scantune.models.reference`.

    Args:
        plan: the plan.
        network: as trained.
        train: the samples that it was trained on.
        unseen: samples that it was not trained on.
        device: of the computation.

    Raises:
        ScantuneError: samples go through the network in patches.
    """
    if patch_shape(plan.input.model_dump(mode="json")) is not None:
        raise ScantuneError(
            f"{plan.key}: train.distance is for samples that go through the network whole, not in patches"
        )
    network.to(device).eval()
    layer = reference.layer_of(network.backbone)
    known, others = (_features(plan, network, side, device, layer) for side in (train, unseen))
    return reference.fit(known, others, layer)


def _features(plan: TrainingPlan, network: Network, side: Side, device: torch.device, layer: str) -> Tensor:
    """Features of a side's samples, without augmentation, in float32, [N, F]."""
    settings = plan.block.train
    data = samples(side, plan.task, seed=settings.seed)
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        parts = [
            reference.features(network.backbone, batch["input"].to(device), layer).cpu()
            for batch in Loader(data, workers=0).batches(0, shard(len(data), settings.batch_size, 1, 0))
        ]
    return torch.cat(parts)
