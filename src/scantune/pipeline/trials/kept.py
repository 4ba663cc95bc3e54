"""Trainings kept in a folder: their predictions and what they were trained with, so that an interrupted series resumes
and trainings with different settings are never compared as one experiment."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune import files
from scantune.digests import file_digest, text_digest
from scantune.pipeline.project import block_of
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.config.params import Params

_FACTS, _PREDICTIONS = "training.json", "predictions.csv"
#: Parts of a block that change no prediction.
_WITHOUT_EFFECT = {"description", "register_", "search"}


@dataclass(frozen=True)
class SeedRun:
    """One training and evaluation.

    Attributes:
        experiment: its name.
        seed: of the training.
        metrics: the headline metrics on the test side, by name; NaN where undefined.
        n: test samples.
        n_subjects: test subjects.
        minutes: of training and evaluation together.
        computed: device and precision that the training used, such as "cpu, float32".
    """

    experiment: str
    seed: int
    metrics: Mapping[str, float]
    n: int
    n_subjects: int
    minutes: float
    computed: str


def settings_digest(params: Params, key: str, project: Path, precision: str, parent: str) -> str:
    """Digest of all that an experiment's predictions depend on, except its seed: settings, data, split, parent.

    Args:
        params: all settings.
        key: of ``experiments`` or ``derived``.
        project: the project's folder.
        precision: in place of ``train.precision``; "" keeps it.
        parent: digest of the model that it starts from; "" for none.
    """
    block = block_of(params, key)
    settings = block.model_dump(mode="json", exclude=_WITHOUT_EFFECT)
    settings["train"] = {**settings["train"], "seed": 0, **({"precision": precision} if precision else {})}
    settings["evaluate"].pop("saliency", None)
    data = [
        project / "data" / "cache" / block.input / "manifest.csv",
        project / "data" / "cache" / block.input / "digests.csv",
        project / "data" / "splits" / block.dataset / "splits.csv",
    ]
    digests = [file_digest(path) if path.is_file() else "" for path in data]
    return text_digest(json.dumps([settings, digests, parent], sort_keys=True))


def model_digest(folder: Path) -> str:
    """Digest of a model's files."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return text_digest("\n".join(f"{path.relative_to(folder).as_posix()} {file_digest(path)}" for path in paths))


def refuse_others(keep: Path, digests: Mapping[str, str]) -> None:
    """Refuse a folder with trainings of other settings or data: they would be compared as the same experiment.

    Args:
        keep: the folder.
        digests: experiment to :func:`settings_digest`.

    Raises:
        ScantuneError: with the trainings.
    """
    others = [
        folder
        for key, digest in digests.items()
        for folder in sorted((keep / key).glob("seed_*"))
        if (folder / _PREDICTIONS).exists() and _facts(folder).get("settings") != digest
    ]
    if others:
        named = ", ".join(map(str, others))
        raise ScantuneError(
            f"--keep {keep}: {named}: not known to be trained with the present settings, data and split. Name another "
            "folder, or remove these"
        )


def load(keep: Path, key: str, seed: int) -> SeedRun | None:
    """A complete training of the folder; None: there is none."""
    folder = keep / key / f"seed_{seed}"
    run = _facts(folder).get("run") if (folder / _PREDICTIONS).is_file() else None
    if run is None:
        return None
    return SeedRun(**{**run, "metrics": {n: math.nan if v is None else v for n, v in run["metrics"].items()}})


def save(keep: Path, run: SeedRun, predictions: Path, digest: str) -> None:
    """Keep a training. Its predictions come last: without them it is not complete."""
    folder = keep / run.experiment / f"seed_{run.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / _FACTS, {"settings": digest, "run": files.finite(asdict(run))})
    files.copy(predictions, folder / _PREDICTIONS)


def to_train(keys: Iterable[str], parents: Mapping[str, str], complete: Mapping[str, SeedRun | None]) -> set[str]:
    """The experiments of a round that must be trained: those not complete, and those whose model they start from.

    Args:
        keys: each after the one that it starts from.
        parents: experiment to the one that it starts from; "" for none.
        complete: experiment to its kept training.
    """
    needed: set[str] = set()
    for key in reversed(list(keys)):
        if key in needed or complete.get(key) is None:
            needed |= {key, parents[key]}
    return needed


def _facts(folder: Path) -> dict[str, Any]:
    try:
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
