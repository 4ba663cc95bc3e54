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

WITHOUT_TARGET = frozenset({"eigencam", "attention", "rollout"})
"""Methods whose map is the same whatever is asked."""


def maps(
    network: nn.Module,
    x: Tensor,
    targets: Sequence[Target],
    *,
    method: str = "gradcam",
    layer: str | None = None,
    **options: Any,
) -> list[Saliency]:
    """One map a target, from one forward pass, in float32 whatever autocast we are called in.

    Of an averaged network the mean of its networks' maps, see :mod:`scantune.explain.averaged`.

    The network is left as it was: modes, gradients, hooks.

    Args:
        network: from [B, C, …space] to the task's output [B, …]; frozen or not.
        x: one sample, [C, …space] or [1, C, …space], float32, as the network takes it.
        targets: what is asked, see :mod:`scantune.tasks.questions`.
        method: one of :data:`METHODS`; scorecam for images only, attention and rollout for vision transformers.
        layer: dotted name; None is the layer that fits the backbone.
        **options: ``layer_idx`` of attention.

    Raises:
        ScantuneError: unknown method or layer, or one that does not fit the network or the input.
    """
    if method not in METHODS:
        raise ScantuneError(f"method: {method!r} is none of {', '.join(METHODS)}")
    batch = x if _has_batch(network, x) else x[None]
    if len(batch) != 1:
        raise ScantuneError(f"saliency takes one sample at a time; got a batch of {len(batch)}")
    device = layers.device_of(network)
    batch = batch.float().to(device)

    def make(asked: nn.Module, name: str | None) -> list[Saliency]:
        return METHODS[method](asked, batch, targets, name, method, **options)

    with torch.autocast(device.type, enabled=False):  # on a CPU bf16's gradients of small layers are wrong
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


def zones(
    network: nn.Module, x: Tensor, grades: Sequence[int], *, method: str = "hirescam", layer: str | None = None
) -> list[Saliency]:
    """One map a zone, of a network whose output is [B, Z, K].

    HiResCAM (Draelos & Carin 2020) is the default: it is Grad-CAM where features are averaged over the picture, and
    where they are not Grad-CAM averages away the very gradients that tell one zone from another.

    Args:
        network: see :func:`maps`.
        x: one sample.
        grades: for each zone the class that is explained (the predicted one).
        method: see :func:`maps`.
        layer: see :func:`maps`.
    """
    from scantune.tasks.questions import zone

    return maps(network, x, [zone(z, grade) for z, grade in enumerate(grades)], method=method, layer=layer)


def _has_batch(network: nn.Module, x: Tensor) -> bool:
    """[1, C, …] rather than [C, …]: by the backbone's modality, else five axes, or four that begin with one sample."""
    if isinstance(network, AveragedNetwork):
        return _has_batch(network.networks[0], x)
    recipe = getattr(getattr(network, "backbone", network), "recipe", None)
    axes = {"image": 4, "volume": 5, "video": 5}.get(getattr(recipe, "modality", ""), 0)
    if axes:
        return x.ndim == axes
    convolutions = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Conv3d))]
    return x.ndim == (5 if any(isinstance(m, nn.Conv3d) for m in convolutions) else 4)
