"""What became of a model in the registry, and why: ``registration.json`` and the line on the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scantune.files import write_json


@dataclass(frozen=True)
class Decision:
    """What became of a model.

    Attributes:
        name: in the registry; empty where nothing was registered.
        version: its version there.
        alias: the alias that the decision was about.
        promoted: whether it has the alias now.
        reason: as text.
        champion: version that had the alias before, or "".
        metrics: the primary metric: its ``name``, and its entry for ``model``, ``champion`` and ``baseline``.
        comparison: with the champion, on the same test subjects; empty where there was none.
        undo: the command that reverts the decision; empty if there is nothing to revert.
    """

    name: str
    version: str
    alias: str
    promoted: bool
    reason: str
    champion: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    comparison: Mapping[str, Any] = field(default_factory=dict)
    undo: str = ""

    def in_words(self) -> str:
        """The decision for the terminal, with the command that reverts it."""
        if not self.version:
            return f"not registered: {self.reason}"
        verb = "has" if self.promoted else "did not take"
        lines = [f"{self.name} version {self.version} {verb} the alias {self.alias!r}: {self.reason}"]
        if self.undo:
            purpose = f"To go back to version {self.champion}" if self.promoted else "To assign the alias all the same"
            lines.append(f"{purpose}: {self.undo}")
        return "\n".join(lines)

    def write(self, path: Path) -> None:
        """As JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, asdict(self), sort_keys=True)


def undo_command(name: str, alias: str, version: str, champion: str, promoted: bool) -> str:
    """``scantune promote …``: back to the former champion, or on to a model that was not promoted."""
    target = champion if promoted else version
    if not target or (promoted and champion == version):
        return ""
    chosen = "" if alias == "champion" else f" --alias {alias}"
    return f"scantune promote {shlex.quote(name)} {target}{chosen}"
