"""Saliency maps by name of the method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from scantune.explain import attention, averaged, cams, layers
from scantune.explain.saliency import Saliency
from scantune.prediction.averaging import AveragedNetwork
from scantune.records import ScantuneError
from scantune.tasks.questions import Target, unit

METHODS: dict[str, Callable[..., list[Saliency]]] = {
    "gradcam": cams.by_gradients("GradCAM"),
    "gradcam++": cams.by_gradients("GradCAMPlusPlus"),
    "hirescam": cams.by_gradients("HiResCAM"),
    "eigencam": cams.eigencam,
    "scorecam": cams.scorecam,
    "attention": attention.attention,
    "rollout": attention.rollout,
}


def maps(
    network: nn.Module,
    x: Tensor,
    targets: Sequence[Target],
    *,
    method: str = "gradcam",
    layer: str | None = None,
    **options: Any,
) -> list[Saliency]:
    """One map per target from one forward pass, in float32 also within autocast.

    For an averaged network the mean of the maps of its networks, see :mod:`scantune.explain.averaged`. Modes, gradients
    and hooks of the network do not change.

    Args:
        network: from [B, C, …space] to the output of the task [B, …].
        x: one sample, [C, …space] or [1, C, …space], float32, as network input.
        targets: explained outputs, see :mod:`scantune.tasks.questions`.
        method: one of :data:`METHODS`; scorecam for images only, attention and rollout for vision transformers.
        layer: dotted name; None is the default of the backbone.
        **options: ``layer_idx`` of attention.

    Raises:
        ScantuneError: an unknown method or layer, or one that does not fit the network or the input.
    """
    if method not in METHODS:
        raise ScantuneError(f"method: {method!r} is not one of {', '.join(METHODS)}")
    batch = x if _has_batch(network, x) else x[None]
    if len(batch) != 1:
        raise ScantuneError(f"saliency maps require one sample at a time; got a batch of {len(batch)}")
    device = layers.device_of(network)
    batch = batch.float().to(device)

    def make(explained: nn.Module, name: str | None) -> list[Saliency]:
        return METHODS[method](explained, batch, targets, name, method, **options)

    with torch.autocast(device.type, enabled=False):  # bf16 gradients of small layers are wrong on a CPU
        if isinstance(network, AveragedNetwork):
            return averaged.maps(network, batch, layer, make)
        return make(network, layer)


def map(
    network: nn.Module,
    x: Tensor,
    target: Target | None = None,
    method: str = "gradcam",
    layer: str | None = None,
    **options: Any,
) -> Saliency:
    """The map of one target (default: the first number of the output); see :func:`maps`."""
    return maps(network, x, [target or unit()], method=method, layer=layer, **options)[0]


def _has_batch(network: nn.Module, x: Tensor) -> bool:
    """Whether ``x`` is [1, C, …] rather than [C, …], from the modality of the backbone, else from its convolutions."""
    if isinstance(network, AveragedNetwork):
        return _has_batch(network.networks[0], x)
    recipe = getattr(getattr(network, "backbone", network), "recipe", None)
    axes = {"image": 4, "volume": 5, "video": 5}.get(getattr(recipe, "modality", ""), 0)
    if axes:
        return x.ndim == axes
    convolutions = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Conv3d))]
    return x.ndim == (5 if any(isinstance(m, nn.Conv3d) for m in convolutions) else 4)
