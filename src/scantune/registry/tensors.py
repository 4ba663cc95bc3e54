"""The predictor of a model's prepared samples, from the model's facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from scantune.models.covariates import Covariates
from scantune.prediction.augmentation import Augmentation
from scantune.prediction.predictor import TensorPredictor
from scantune.prediction.windows import Windows
from scantune.preprocess.settings import patch_shape
from scantune.registry.model import ModelFacts
from scantune.tasks.protocol import Task


def tensor_predictor(
    facts: ModelFacts, networks: Sequence[nn.Module], task: Task, device: str | torch.device = "cpu"
) -> TensorPredictor:
    """The predictor of the model.

    Args:
        facts: of the model.
        networks: all of its members, or the selected ones.
        task: the model's.
        device: where it computes.
    """
    own = facts.input.get("spacing")
    spacing = tuple(own)[::-1] if own else facts.training.get("spacing")
    augmentation = augmentation_of(task, facts.input["modality"], facts.augment, facts.augment_draws, spacing)
    there = torch.device(device)
    covariates = Covariates.read(facts.covariates)
    return TensorPredictor(
        networks, task, facts.fitted, augmentation, there, windows_of(facts.input, there), covariates, facts.abstain
    )


def windows_of(prepared: Mapping[str, Any], device: torch.device | None = None) -> Windows | None:
    """The windows in which samples of an input go through networks; None where they go whole.

    Args:
        prepared: the ``inputs:`` block.
        device: of the networks; None for that of the samples.
    """
    size = patch_shape(prepared)
    if size is None:
        return None
    return Windows(size, float(prepared["overlap"]), device=device, precision=prepared["window_precision"])


def augmentation_of(
    task: Task, modality: str, block: Mapping[str, Any], copies: int, spacing: Sequence[float] | None = None
) -> Augmentation:
    """Test-time augmentation, by :attr:`Task.copies`: mirror images, or the augmentation of the training samples.

    Args:
        task: the model's.
        modality: of the input.
        block: ``train.augment``; empty: the usual set of the modality, without mirrors. There are none either where
            left and right are different answers.
        copies: ``train.test_time_augmentation``.
        spacing: of the samples along [D,] H, W; None for isotropic pixels.
    """
    if not copies:
        return Augmentation()
    if task.copies == "mirrored":
        return Augmentation(copies, mirrors=True, sided=task.sided)
    from scantune import augment
    from scantune.config.augment import augment_config

    settings = augment_config(modality, block or {"default": True})
    if not block or task.sided:
        flips = {name: 0.0 for name in type(settings).model_fields if name.startswith("flip")}
        settings = settings.model_copy(update=flips)
    change = augment.build(modality, settings, spacing=spacing)
    return Augmentation(copies, change, sided=task.sided)
