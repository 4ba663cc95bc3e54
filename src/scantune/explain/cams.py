"""Class activation maps by the grad-cam library, for images, volumes and videos.

Three functions of the library are replaced. Its backward pass changes the gradients of parameters and fails for a
frozen network: here gradients are with respect to the output of the layer only. Its scaling hides an all-zero map: here
maps are returned unscaled. Its Eigen-CAM decomposes a matrix of cells × cells (gigabytes in 3D) and has an arbitrary
sign: here the component is from the thin decomposition, with the sign of the larger extreme.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scantune.explain import layers, library
from scantune.explain.saliency import Saliency, finish
from scantune.records import ScantuneError
from scantune.tasks.questions import Target


def by_gradients(kind: str) -> Any:
    """Grad-CAM (Selvaraju et al. 2017, eq. 1–2) and related methods, by their class name in the library.

    Grad-CAM++: Chattopadhay et al. 2018, eq. 19. HiResCAM: Draelos & Carin 2020, gradient times activation in each
    cell.
    """

    def run(network: nn.Module, x: Tensor, targets: Sequence[Target], layer: str | None, method: str) -> list[Saliency]:
        name, module = layers.find(network, layer, x)
        with _library(library.method(kind), network, module, x) as cam, torch.enable_grad():
            inputs = x.detach().clone().requires_grad_(True)  # required for gradients in a frozen network
            raw, output = _forward(network, module, inputs)
            results = []
            for number, target in enumerate(targets):
                score = target(output[0])
                (grads,) = torch.autograd.grad(score, raw, retain_graph=number < len(targets) - 1, allow_unused=True)
                if grads is None:
                    raise ScantuneError(f"saliency layer: {name} does not contribute to the explained output")
                reshape = layers.as_grid(network, x.ndim - 2)
                a, g = (_numpy(reshape(t)) for t in (raw, grads))
                cells = cam.get_cam_image(inputs, module, [target], a, g, False)
                results.append(
                    finish(cells[0], tuple(x.shape[2:]), layer=name, method=method, output=float(score.detach()))
                )
        return results

    return run


def eigencam(
    network: nn.Module, x: Tensor, targets: Sequence[Target], layer: str | None, method: str
) -> list[Saliency]:
    """Eigen-CAM (Muhammad & Yeasin 2020): the first principal component of the activations.

    It does not depend on the target. The sign is that of the larger extreme (Chung & Ying 2025, eq. 13).
    """
    name, module = layers.find(network, layer, x)
    with layers.evaluating(network), torch.no_grad():
        raw, output = _forward(network, module, x)
        cells = first_component(_numpy(layers.as_grid(network, x.ndim - 2)(raw))[0])
    scores = [float(target(output[0])) for target in targets]
    return [finish(cells, tuple(x.shape[2:]), layer=name, method=method, output=score) for score in scores]


def first_component(activations: np.ndarray) -> np.ndarray:
    """Projection of activations [C, …cells] onto their first principal component, […cells]."""
    flat = activations.reshape(len(activations), -1).T.astype(np.float64)  # cells, C
    flat = flat - flat.mean(axis=0)
    if not np.isfinite(flat).all():
        return np.full(activations.shape[1:], np.nan)
    left, sizes, _ = np.linalg.svd(flat, full_matrices=False)
    projection = (left[:, 0] * sizes[0]).reshape(activations.shape[1:])
    return -projection if -projection.min() > projection.max() else projection


def scorecam(
    network: nn.Module, x: Tensor, targets: Sequence[Target], layer: str | None, method: str
) -> list[Saliency]:
    """Score-CAM (Wang et al. 2020): each channel is weighted by the score of the input masked by it. 2D only.

    Raises:
        ScantuneError: a volume or a video.
    """
    if x.ndim != 4:
        raise ScantuneError(
            f"method: scorecam works on images [C, H, W] only, not on an input of {list(x.shape[1:])}; "
            "gradcam, gradcam++ and eigencam work on volumes and videos"
        )
    name, module = layers.find(network, layer, x)
    with _library(library.method("ScoreCAM"), network, module, x) as cam, torch.no_grad():
        raw, output = _forward(network, module, x)
        a = _numpy(layers.as_grid(network, 2)(raw))
        results = []
        for target in targets:
            with contextlib.redirect_stderr(io.StringIO()):  # suppress the progress bar of the library
                cells = cam.get_cam_image(x, module, [target], a, np.zeros_like(a))
            results.append(
                finish(cells[0], tuple(x.shape[2:]), layer=name, method=method, output=float(target(output[0])))
            )
    return results


@contextlib.contextmanager
def _library(kind: Any, network: nn.Module, module: nn.Module, x: Tensor) -> Any:
    """The object of the library without its hooks; the modes of the network are restored."""
    with layers.evaluating(network):
        cam = kind(model=network, target_layers=[module])
        cam.activations_and_grads.release()
        yield cam


def _forward(network: nn.Module, module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Output of the layer and of the network for one sample [1, C, …]."""
    outputs: list[Tensor] = []
    handle = module.register_forward_hook(lambda _m, _i, out: outputs.append(out if torch.is_tensor(out) else out[0]))
    try:
        output = network(x)
    finally:
        handle.remove()
    if not outputs:
        raise ScantuneError("saliency layer: the network does not call it")
    return outputs[-1], output


def _numpy(values: Tensor) -> np.ndarray:
    return values.detach().float().cpu().numpy()
