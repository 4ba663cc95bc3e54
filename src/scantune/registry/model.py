"""The whole model on disk: how files become tensors, the network's weights, what was fitted on validation, its labels.

A folder: ``model.json`` and one folder a member (``member_0`` …) of safetensors and architecture. Nothing in it is
code or pickle.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scantune.records import ScantuneError

MODEL = "model.json"
FORMAT = "scantune model 1"


@dataclass(frozen=True)
class ModelFacts:
    """What ``model.json`` holds beside the weights.

    Attributes:
        name: the experiment's name.
        dataset: what it was trained on.
        task: the ``task:`` block.
        input: the ``inputs:`` block: how a file becomes a tensor.
        classes: of a classification, in the order of the outputs.
        loss: name of the loss it was trained with.
        fitted: calibration and conformal quantiles.
        members: number of networks whose outputs are averaged.
        augment_draws: test-time augmentation; 0 for none.
        augment: its settings.
        training: number of samples and subjects, digest of the data, shape [C, …] of its tensors, metrics of the
            validation side.
        weights: where the starting weights came from, and their licence.
        synthetic: no patient stands behind the training data, as the cohort's own folder says.
    """

    name: str
    dataset: str
    task: dict[str, Any]
    input: dict[str, Any]
    classes: tuple[str, ...] | None = None
    loss: str | None = None
    fitted: dict[str, Any] = field(default_factory=dict)
    members: int = 1
    augment_draws: int = 0
    augment: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, Any] = field(default_factory=dict)
    synthetic: bool = False


def save_model(folder: Path, facts: ModelFacts, networks: Sequence[Any]) -> None:
    """Write ``networks`` and ``facts`` to ``folder``."""
    from scantune.models import save

    for number, network in enumerate(networks):
        save(network, folder / f"member_{number}")
    text = json.dumps({"format": FORMAT, **asdict(facts)}, indent=2, sort_keys=True)
    (folder / MODEL).write_text(text + "\n")


def read_facts(folder: Path) -> ModelFacts:
    """What ``model.json`` in ``folder`` says.

    Raises:
        ScantuneError: there is none, or of a format that this version does not read.
    """
    path = folder / MODEL
    if not path.exists():
        raise ScantuneError(f"{path}: not there; a model is a folder of {MODEL} and one folder a member")
    held = json.loads(path.read_text())
    if held.pop("format", None) != FORMAT:
        raise ScantuneError(f"{path}: this version reads {FORMAT!r}")
    if "size" in held.get("input", {}):
        raise ScantuneError(
            f"{path}: input.size is now input.shape, and tensors prepared under the old key may have been of another "
            "shape than it says: train the model again"
        )
    if held.get("classes") is not None:
        held["classes"] = tuple(held["classes"])
    return ModelFacts(**held)


def weights_digest(folder: Path) -> str:
    """First 16 digits of the SHA-256 over a model folder's weights."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("member_*/weights.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def load_networks(folder: Path, facts: ModelFacts, device: str = "cpu") -> list[Any]:
    """The members' networks in eval mode."""
    from scantune.models import load

    return [load(folder / f"member_{number}", device=device) for number in range(facts.members)]
