"""The complete model on disk: how files become tensors, the network's weights, what was fitted on validation, its
labels.

A folder: ``model.json`` and one folder a member (``member_0`` …) of safetensors and architecture. Nothing in it is
pickle; code is in it only where the project has plugins, in ``plugins``, and runs only where a person trusts it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from scantune.config.base import SAVED, first_fault
from scantune.digests import file_digest, text_digest
from scantune.files import write_text
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.config.input import InputConfig
    from scantune.models.network import Network

log = logging.getLogger(__name__)

MODEL = "model.json"
FORMAT = "scantune model 1"
#: The most that is read of model.json; that of the largest model tried has 60 kB.
MAX_BYTES = 2**26


@dataclass(frozen=True)
class ModelFacts:
    """The content of ``model.json``, beside the weights.

    Attributes:
        name: the experiment's name.
        dataset: what it was trained on.
        task: the ``task:`` block.
        input: the ``inputs:`` block: how a file becomes a tensor.
        classes: of a classification, in the order of the outputs.
        loss: name of the loss it was trained with.
        fitted: calibration and conformal quantiles.
        members: number of networks whose outputs are averaged.
        folds: how many of them were trained by cross-validation, one a fold: 0 for none.
        augment_draws: test-time augmentation; 0 for none.
        augment: its settings.
        training: number of samples and subjects, digest of the data, shape [C, …] of its tensors, metrics of the
            validation side.
        weights: where the starting weights came from, and their licence.
        synthetic: whether the training data are synthetic, from the provenance file of the cohort.
        covariates: columns of the table that the networks have beside the images, see
            :meth:`scantune.models.covariates.Covariates.described`; empty without any.
        table: how a row of the table that it was trained with becomes a sample, see
            :func:`scantune.cohort.layout.read_layout`; empty of class folders.
        abstain: whether samples at a distance above 1 from the training images are not answered.
        plugins: the plugins that it was trained with, see :func:`scantune.plugins.carry`; empty without any.
    """

    name: str
    dataset: str
    task: dict[str, Any]
    input: dict[str, Any]
    classes: tuple[str, ...] | None = None
    loss: str | None = None
    fitted: dict[str, Any] = field(default_factory=dict)
    members: int = 1
    folds: int = 0
    augment_draws: int = 0
    augment: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, Any] = field(default_factory=dict)
    synthetic: bool = False
    plugins: dict[str, Any] = field(default_factory=dict)
    covariates: tuple[dict[str, Any], ...] = ()
    abstain: bool = False
    table: dict[str, Any] = field(default_factory=dict)


def save_model(folder: Path, facts: ModelFacts, networks: Sequence[Network]) -> None:
    """Write ``networks`` and ``facts`` to ``folder``, with the digests by which damage is seen when it is opened."""
    from scantune.models import save

    for former in folder.glob("member_*"):  # of a training that was killed while it wrote, or of more members
        shutil.rmtree(former)
    for number, network in enumerate(networks):
        save(network, folder / f"member_{number}")
    files = sorted(path for number in range(len(networks)) for path in (folder / f"member_{number}").iterdir())
    content: dict[str, Any] = {"format": FORMAT, **asdict(facts)}
    content["files"] = {path.relative_to(folder).as_posix(): file_digest(path) for path in files}
    content = json.loads(json.dumps(content))  # as it will be read: tuples are lists
    content["digest"] = digest_of(content)
    write_text(folder / MODEL, json.dumps(content, indent=2, sort_keys=True) + "\n")


def read_facts(folder: Path) -> ModelFacts:
    """Read ``model.json`` in ``folder``.

    Raises:
        ScantuneError: not found, damaged, or of a format that this version does not read.
    """
    content = _read(folder)
    content.pop("files", None)
    unknown = content.keys() - {known.name for known in fields(ModelFacts)}
    if unknown:
        raise ScantuneError(
            f"{folder / MODEL}: not the facts of a model: {sorted(unknown)[0]!r} is not known. If another version "
            f"saved it, {OTHER_VERSION}"
        )
    try:
        facts = TypeAdapter(ModelFacts).validate_python(content)
    except ValidationError as error:
        raise ScantuneError(f"{folder / MODEL}: not the facts of a model: {first_fault(error)}") from error
    if missing := _missing(facts):
        raise ScantuneError(f"{folder / MODEL}: without {missing}, as an earlier version saved it; {OTHER_VERSION}")
    return facts


def _missing(facts: ModelFacts) -> str | None:
    """The first key that every model of this version has, and this one lacks."""
    if facts.input.get("patch") and "window_precision" not in facts.input:
        return "input.window_precision"
    lacking = (key for column in facts.covariates for key in ("levels", "cap", "span") if key not in column)
    return next((f"covariates.{key}" for key in lacking), None)


def input_of(facts: ModelFacts) -> InputConfig:
    """The ``inputs:`` block of a model: how a file becomes a tensor.

    Settings that ``params.yaml`` now refuses, since they have no effect or harm the image, are noted in the log: the
    model was trained on what they give, and predicts from the same.

    Raises:
        ScantuneError: a setting that this version does not have.
    """
    from scantune.config.input import InputConfig

    try:
        block: InputConfig = TypeAdapter(InputConfig).validate_python(facts.input, context=SAVED)
    except ValidationError as error:
        fault = first_fault(error).removeprefix(f"{facts.input.get('modality')}").lstrip(":. ")
        raise ScantuneError(
            f"{MODEL}: input: {fault}. The model {facts.name!r} was saved by another version, whose settings this one "
            f"does not read: {OTHER_VERSION}"
        ) from error
    for fault in block.faults():
        log.info(
            "note: the model %r predicts as it was trained, with settings that params.yaml now refuses: %s",
            facts.name,
            fault,
        )
    return block


def _read(folder: Path) -> dict[str, Any]:
    """``model.json`` without ``format`` and ``digest``, which are checked."""
    path = folder / MODEL
    if not path.exists():
        raise ScantuneError(f"{path}: missing; a model is a folder of {MODEL} and one folder per network")
    if path.stat().st_size > MAX_BYTES:
        raise ScantuneError(f"{path}: {path.stat().st_size:,} bytes; at most {MAX_BYTES:,} are read")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ScantuneError(f"{path}: damaged, not valid JSON ({type(error).__name__}); {_AGAIN}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        there = content.get("format") if isinstance(content, dict) else None
        raise ScantuneError(f"{path}: its format is {there!r}, and this version reads {FORMAT!r}; {OTHER_VERSION}")
    if isinstance(content.get("input"), dict) and "size" in content["input"]:
        raise ScantuneError(
            f"{path}: input.size is now input.shape, and tensors prepared under the old key may have been of another "
            "shape than it says: train the model again"
        )
    if "digest" not in content:
        raise ScantuneError(f"{path}: without a digest, as an earlier version saved it; {OTHER_VERSION}")
    if content.pop("digest") != digest_of(content):
        raise ScantuneError(f"{path}: damaged: its digest does not match; {_AGAIN}")
    content.pop("format")
    return content


OTHER_VERSION = "open it with the version of scantune that saved it, or train it again"
_AGAIN = "fetch the model again from the registry, or train it again"


def digest_of(content: Any) -> str:
    """The digest of all that model.json holds beside it."""
    return text_digest(json.dumps(content, sort_keys=True))


def weights_digest(folder: Path) -> str:
    """First 16 digits of the SHA-256 over a model folder's weights."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("member_*/weights.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def load_networks(folder: Path, facts: ModelFacts, device: str = "cpu") -> list[Network]:
    """The members' networks in eval mode.

    Raises:
        ScantuneError: a file is missing or is not what was written.
    """
    from scantune.models import load

    for name, digest in _read(folder).get("files", {}).items():
        path = folder / name
        if not path.is_file():
            raise ScantuneError(f"{path}: not found; {_AGAIN}")
        if file_digest(path) != digest:
            raise ScantuneError(f"{path}: damaged: its digest does not match; {_AGAIN}")
    return [load(folder / f"member_{number}", device=device) for number in range(facts.members)]
