"""Backbone and head as one network, saved as safetensors and a JSON architecture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scantune import processors
from scantune.files import write_bytes
from scantune.models import fusion as fusions
from scantune.models import layers, reference
from scantune.models.backbone import Backbone, Normalization, Recipe
from scantune.models.fusion import Fusion
from scantune.models.make import rebuild
from scantune.models.reference import Reference
from scantune.records import ScantuneError

WEIGHTS = "weights.safetensors"
ARCHITECTURE = "architecture.json"
_FORMAT = "scantune network 1"


class Network(nn.Module):
    """``head(backbone(x))``: input [B, C, …space] float to the output of the task.

    With covariates ``head(fusion(backbone(x), covariates))``.

    Example:
        >>> backbone = build("small_cnn", modality="image", in_channels=1)
        >>> network = Network(backbone, nn.Linear(backbone.feature_dim, 10))
        >>> network(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    def __init__(self, backbone: Backbone, head: nn.Module | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Identity() if head is None else head
        self.fusion: Fusion | None = None
        """Joins covariates with the features, see :func:`scantune.models.fusion.attach`."""
        self.condition: Tensor | None = None
        """Covariates [1, Q] of all inputs, see :func:`scantune.prediction.averaging.conditioned`."""
        self.reference: Reference | None = None
        """What it was trained on, where that was kept: by it images are told that are unlike."""

    def forward(self, x: Tensor, covariates: Tensor | None = None) -> Tensor:
        """Output of the task for ``x`` [B, C, …space], without activation.

        Args:
            x: the images.
            covariates: [B, Q] of :meth:`scantune.models.covariates.Covariates.rows`; left out of account by a network
                without covariates.

        Raises:
            ValueError: the network requires covariates.
        """
        features = self.backbone(x)
        if self.fusion is None:
            return self.head(features)
        if covariates is None and self.condition is not None:
            covariates = self.condition.to(x.device).expand(len(x), -1)
        if covariates is None:
            raise ValueError(f"this network requires {', '.join(self.fusion.covariates.names)} beside the image")
        return self.head(self.fusion(features, covariates))


def architecture(network: Network) -> dict[str, Any]:
    """Description for :func:`from_architecture`; JSON-serialisable."""
    recipe, normalization = network.backbone.recipe, network.backbone.normalization
    return {
        "format": _FORMAT,
        "backbone": {
            "name": recipe.name,
            "modality": recipe.modality,
            "in_channels": recipe.in_channels,
            "dense": recipe.dense,
            "options": dict(recipe.options),
            "normalization": None
            if normalization is None
            else {name: list(row) for name, row in vars(normalization).items() if row is not None},
        },
        "head": layers.describe(network.head),
        **({} if network.fusion is None else {"fusion": network.fusion.describe()}),
    }


def from_architecture(described: Mapping[str, Any]) -> Network:
    """The network with random weights; the global random state does not change.

    Raises:
        ScantuneError: a format or name that is unknown to this version.
    """
    if described.get("format") != _FORMAT:
        raise ScantuneError(f"{ARCHITECTURE}: format {described.get('format')!r}; this version reads {_FORMAT!r}")
    backbone = dict(described["backbone"])
    statistics = backbone.pop("normalization")
    normalization = (
        None if statistics is None else Normalization(**{name: tuple(row) for name, row in statistics.items()})
    )
    with torch.random.fork_rng(devices=[]):
        network = Network(rebuild(Recipe(**backbone), normalization), layers.rebuild(described["head"]))
        if "fusion" in described:
            network.fusion = fusions.rebuild(described["fusion"])
    return network


def save(network: Network, folder: str | Path) -> None:
    """Write ``weights.safetensors`` and ``architecture.json`` into ``folder``, each atomically."""
    from safetensors.torch import save as to_bytes

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    text = json.dumps(architecture(network), indent=2, sort_keys=True) + "\n"
    write_bytes(folder / WEIGHTS, to_bytes(state))
    write_bytes(folder / ARCHITECTURE, text.encode())
    if network.reference is not None:
        reference.save(network.reference, folder)


def load(folder: str | Path, *, device: str | torch.device = "cpu") -> Network:
    """Load a network of :func:`save`, in eval mode, without pickle.

    Raises:
        ScantuneError: a file is missing or invalid, or the weights do not fit the architecture.
    """
    from safetensors.torch import load_file

    folder = Path(folder)
    for name in (ARCHITECTURE, WEIGHTS):
        if not (folder / name).is_file():
            raise ScantuneError(
                f"{folder / name}: file not found; a saved network is a folder with {ARCHITECTURE} and {WEIGHTS}"
            )
    try:
        network = from_architecture(json.loads((folder / ARCHITECTURE).read_text()))
        network.load_state_dict(load_file(folder / WEIGHTS))
        network.reference = reference.load(folder)
    except ScantuneError as error:
        raise ScantuneError(f"{folder / ARCHITECTURE}: {error}") from error
    except Exception as error:  # whatever a stranger's file makes of a library
        raise ScantuneError(f"{folder}: the network cannot be loaded: {' '.join(str(error).split())[:400]}") from error
    processors.limit_threads()
    return network.to(device).eval()
