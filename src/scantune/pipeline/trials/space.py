"""Before a search: that every setting of its space is used and valid, and that a study has trials of like settings."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune import files
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.config.input import InputConfig
    from scantune.config.params import ExperimentConfig

#: Beside the study: what its trials have in common.
COMMON = "common.json"


#: What is done after the training of one network, which is all that a trial does.
_UNUSED = (
    *("description", "evaluate", "register", "search", "train.members", "train.test_time_augmentation"),
    *("train.calibration", "train.miscoverage", "train.distance", "train.loggers", "train.find_learning_rate"),
)
#: What trials are compared by, and on which samples.
_COMPARED = ("dataset", "train.monitor", "train.mode", "train.folds", "train.calibration_fraction")
#: Parts of a loss: its value says nothing of the model where they differ.
_OF_THE_LOSS = (
    *("task", "train.loss", "train.class_weights", "train.label_smoothing"),
    *("train.scanner_consistency", "train.partners", "train.distillation"),
)


def refused(where: str, block: ExperimentConfig) -> Iterator[str]:
    """Every setting of a search space by which trials would all be the same, or could not be compared.

    Args:
        where: the experiment's place in params.yaml.
        block: its settings.
    """
    monitor = block.train.monitor
    for name in block.search.space:
        key = f"{where}.search.space.{name}"
        if _within(name, _UNUSED):
            yield f"{key}: a trial trains one network and compares {monitor}, without using this; remove it"
        elif _within(name, _COMPARED):
            yield f"{key}: trials are compared by {monitor} on one validation side, which this would change; remove it"
        elif _within(name, _OF_THE_LOSS) and monitor.endswith("loss"):
            metrics = ", ".join(f"val_{metric}" for metric in block.task.epoch_metrics())
            yield (
                f"{key}: trials are compared by {monitor}, which this changes for one and the same model; set "
                f"{where}.train.monitor to another metric: {metrics}"
            )
        elif off := _switched_off(name, block):
            yield f"{key}: {where}.{off} is switched off, and each trial would switch it on; remove one of the two"


def _switched_off(name: str, block: ExperimentConfig) -> str:
    """The block of a setting that is ``false`` or ``enabled: false``, which the search does not vary; or ""."""
    value: Any = block.model_dump(mode="json")
    path: list[str] = []
    for part in name.split(".")[:-1]:
        path.append(part)
        value = value.get(part) if isinstance(value, dict) else None
        off = value is False or (isinstance(value, dict) and value.get("enabled") is False)
        if off and not {".".join(path), f"{'.'.join(path)}.enabled"} & block.search.space.keys():
            return ".".join(path)
    return ""


def _within(name: str, keys: tuple[str, ...]) -> bool:
    return any(name == key or name.startswith(f"{key}.") for key in keys)


def values_of(span: Mapping[str, Any]) -> list[Any]:
    """The choices of a span; or its ends, and a value between them that is a whole number only where all are."""
    if "choices" in span:
        return list(span["choices"])
    low, high = span["low"], span["high"]
    if span.get("step") is not None or (isinstance(low, int) and isinstance(high, int)):
        return [low, high]
    return [low, high, math.sqrt(low * high) if span.get("log") else low + (high - low) / math.e]


def combinations(space: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each value of a space once, beside the first ones of the other settings: its name, and all settings."""
    first = {name: values_of(span)[0] for name, span in space.items()}
    for name, span in space.items():
        for value in values_of(span):
            yield name, {**first, name: value}


def alone(raw: Mapping[str, Any], group: str, key: str, block: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with ``block`` in place of an experiment, without those that build on it, which trials do not change.

    Args:
        raw: the content of params.yaml.
        group: ``experiments`` or ``derived``.
        key: the experiment.
        block: its settings.
    """
    kept = {name: raw[name] for name in ("tracking", "datasets", "watched", "inputs", "experiments") if name in raw}
    return {**kept, group: {**kept.get(group, {}), key: dict(block)}}


def check_study(folder: Path, where: str, common: Mapping[str, Any]) -> None:
    """Check that a study's trials had the settings that those to come will have.

    Args:
        folder: of the study.
        where: the experiment's place in params.yaml.
        common: all of its block that the search does not vary, its input, and the choices of its space.

    Raises:
        ScantuneError: they had others; with what differs and what to do.
    """
    path, now = folder / COMMON, json.loads(json.dumps(common))
    if not path.exists():
        files.write_json(path, now)
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    changed = [f"{name} was {_short(a)} and is {_short(b)}" for name, a, b in _differences(before, now)]
    if changed:
        raise ScantuneError(
            f"{folder}: its trials had other settings and cannot be compared with new ones: {where}: "
            f"{'; '.join(changed)}. Put the settings back, or remove the folder to search anew"
        )


def _differences(before: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(before, dict) and isinstance(now, dict):
        for name in before:  # a key that another version added has its default
            yield from _differences(before.get(name), now.get(name), f"{key}.{name}" if key else name)
    elif before != now:
        yield key, before, now


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"


#: Keys of ``train`` that change nothing of a trial's result.
_WITHOUT_EFFECT = ("device", "devices", "workers", "pin_memory", "loggers", "monitoring", "find_learning_rate")


def common_of(block: ExperimentConfig, input_block: InputConfig, data: Mapping[str, str]) -> dict[str, Any]:
    """What the trials of an experiment's study have in common, see :func:`check_study`.

    Args:
        block: the experiment's.
        input_block: of its input.
        data: digests of the samples that train and validate, and of the model that it starts from.
    """
    common = block.model_dump(mode="json", include={"dataset", "task", "model", "train"})
    common["input"] = input_block.model_dump(mode="json")
    space = {name: span.plain() for name, span in block.search.space.items()}
    for name in (*(f"train.{key}" for key in _WITHOUT_EFFECT), *space):
        _remove(common, name.split("."))
    common["data"] = dict(data)
    common["search"] = {"space": {name: span["choices"] for name, span in space.items() if "choices" in span}}
    return common


def _remove(block: Any, keys: list[str]) -> None:
    *parents, last = keys
    for parent in parents:
        block = block.get(parent) if isinstance(block, dict) else None
    if isinstance(block, dict):
        block.pop(last, None)
