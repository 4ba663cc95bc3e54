"""What DVC records of ``params.yaml`` for a stage: it reads the file when the stage has ended, not when it began."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from scantune.digests import file_digest
from scantune.records import ScantuneError

_ABSENT = "nothing"


def declared_settings() -> dict[str, Any]:
    """Key with dots → its value in ``params.yaml`` now, of all keys that ``dvc.yaml`` names for the stage that runs.

    Empty where DVC did not start this process, or a file cannot be read: then nothing is recorded.
    """
    stage, _, name = os.environ.get("DVC_STAGE", "").partition("@")
    try:
        stages = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
        content = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
        block = stages[stage]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return {}
    declared = (block.get("do") or block).get("params") or []
    keys = [key.replace("${key}", name) for key in declared if isinstance(key, str)]
    return {key: _value(content, key) for key in keys if "${" not in key}


def params_digest() -> str:
    """A digest of ``params.yaml`` as it is now; "" where it cannot be read."""
    try:
        return file_digest(Path("params.yaml"))
    except OSError:
        return ""


def refuse_changed(before: Mapping[str, Any]) -> None:
    """Raise where a setting of the stage is not what it was: DVC would record the result as one of the new value.

    Args:
        before: :func:`declared_settings` when the stage began.

    Raises:
        ScantuneError: with each changed key, its value then and now.
    """
    now = declared_settings()
    changed = [
        f"{path} is {new!r} where this ran with {old!r}"
        for key, value in before.items()
        for path, old, new in _differences(key, value, now.get(key, _ABSENT))
    ]
    if changed:
        raise ScantuneError(
            f"params.yaml was changed meanwhile, and DVC would record this result under the new settings: "
            f"{'; '.join(changed)}. Run the stage again with the new settings; or put the old ones back, and "
            f"'dvc commit --force {os.environ['DVC_STAGE']}' records what is there as its result"
        )


def _value(content: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(content, Mapping) or part not in content:
            return _ABSENT
        content = content[part]
    return content


def _differences(path: str, old: Any, new: Any) -> list[tuple[str, Any, Any]]:
    """Path, value then and value now of what differs, as deep in blocks as both have them."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = list(dict.fromkeys([*old, *new]))
        return [d for k in keys for d in _differences(f"{path}.{k}", old.get(k, _ABSENT), new.get(k, _ABSENT))]
    return [] if old == new else [(path, old, new)]
