"""How far an image lies from those that a network was trained on: nearest neighbour in the space of its features.

The distance is that to the nearest training image between features of unit length (Y. Sun et al., "Out-of-distribution
detection with deep nearest neighbors", ICML 2022), divided by the distance that 95 % of the validation images do not
exceed: above 1 an image is unlike the training images.

Chosen by measurement on white blood cells (EfficientNet-Lite0, 208 training images), AUROC of the test images against
other data sets: the other laboratory's cells, chest films, retinal photographs. Nearest neighbour 1.00, 1.00, .99; the
fifth nearest 1.00, 1.00, .97; probabilistic principal components (64) 1.00, .56, .97; Mahalanobis distance in 32
principal components .39, .11, .20.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from scantune.files import write_bytes
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.models.backbone import Backbone

REFERENCE = "reference.safetensors"
MOST = 2048
"""Training images that are kept, evenly spread over all."""
LIMIT = 0.95
"""Share of the validation images with a distance of at most 1."""


@dataclass(frozen=True)
class Reference:
    """What a network was trained on.

    Attributes:
        features: of training images, of unit length, [N, F] float32.
        limit: distance of the validation image that :data:`LIMIT` of them do not exceed.
        layer: dotted name in the backbone of the layer that the features are of; empty for its output.
    """

    features: Tensor
    limit: float
    layer: str = ""

    def distance(self, features: Tensor) -> Tensor:
        """Distance of images from the nearest training image, in multiples of the limit, float64 [B].

        Args:
            features: of unit length, [B, F].
        """
        return _nearest(self.features.to(features.device), features) / self.limit


def fit(training: Tensor, validation: Tensor, layer: str = "") -> Reference:
    """The reference of a network.

    Args:
        training: features of its training images, of unit length, [N, F].
        validation: those of images that it was not trained on, [M, F].
        layer: that they are of.

    Raises:
        ScantuneError: the validation images are copies of training images, all images have the same features, or these
            are not finite.
    """
    step = -(-len(training) // MOST)
    selected = training[::step].float().cpu().contiguous()
    limit = float(torch.quantile(_nearest(selected, validation.cpu()), LIMIT))
    if not limit > 0:
        raise ScantuneError(_why_none(selected, validation))
    return Reference(selected, limit, layer)


def _why_none(training: Tensor, validation: Tensor) -> str:
    """Why no distance can be given, with what to do."""
    if not (training.isfinite().all() and validation.isfinite().all()):
        return (
            "train.distance: the features of the network are not finite numbers: the weights contain NaN or the layers "
            "overflow. Train again with a lower learning rate, train.clip_norm or precision: 32"
        )
    alike = "the validation images are at no distance from the training images"
    if bool((training == training[:1]).all()):
        return (
            f"train.distance: {alike}: the network gives all images the same features, having learned nothing. "
            "Train again with another learning rate, or remove the key"
        )
    return f"train.distance: {alike}: they are copies of these. Split them apart, or remove the key"


def layer_of(backbone: Backbone) -> str:
    """Of a network with an output per pixel its deepest layer: means of logits say little of an image, and of a single
    logit nothing but its sign. Of others the output."""
    return (backbone.saliency_layer or "") if backbone.recipe.dense else ""


def features(backbone: nn.Module, inputs: Tensor, layer: str = "") -> Tensor:
    """Features of unit length [B, F] of inputs [B, C, …space]: means over space where the backbone has maps.

    Args:
        backbone: of the network.
        inputs: the images.
        layer: of :func:`layer_of`.
    """
    outputs = (_at(backbone, inputs, layer) if layer else backbone(inputs)).float()
    pooled = outputs.flatten(2).mean(2) if outputs.ndim > 2 else outputs
    return nn.functional.normalize(pooled, dim=1)


def _at(backbone: nn.Module, inputs: Tensor, layer: str) -> Tensor:
    """What a layer makes of inputs, [B, F, …space]; a served network may run in other threads at the same time."""
    made: dict[int, Tensor] = {}

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        made[threading.get_ident()] = output

    with backbone.get_submodule(layer).register_forward_hook(keep):
        backbone(inputs)
    return made[threading.get_ident()]


def save(reference: Reference, folder: Path) -> None:
    """Write ``reference.safetensors`` into a network's folder."""
    from safetensors.torch import save as to_bytes

    tensors = {"features": reference.features, "limit": torch.tensor(reference.limit, dtype=torch.float64)}
    write_bytes(folder / REFERENCE, to_bytes(tensors, {"layer": reference.layer}))


def load(folder: Path) -> Reference | None:
    """The reference of a network's folder; None where there is none."""
    from safetensors import safe_open

    if not (folder / REFERENCE).is_file():
        return None
    with safe_open(folder / REFERENCE, "pt") as file:
        layer = (file.metadata() or {}).get("layer", "")
        return Reference(file.get_tensor("features"), float(file.get_tensor("limit")), layer)


def _nearest(training: Tensor, images: Tensor) -> Tensor:
    """Distance of each image to its nearest training image, float64 [B]."""
    exact = "donot_use_mm_for_euclid_dist"  # by differences: the same whatever else is in the batch
    return torch.cdist(images.double(), training.double(), compute_mode=exact).min(dim=1).values
