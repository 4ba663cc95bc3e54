"""Folders that are outputs of an evaluation whether or not anything is written to them: an empty one says why."""

from __future__ import annotations

from pathlib import Path

from scantune.files import write_json

#: In an otherwise empty folder. DVC warns of folders without a file in them.
EMPTY = "none.json"
_REASONS = {
    "masks": "evaluate.write_masks is off",
    "saliency": "evaluate.saliency is off, or there is no sample to explain",
}


def opened(folder: Path) -> Path:
    """The folder, made if need be. One that an earlier evaluation left empty still says so until this one ends."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def say_why_empty(out: Path) -> None:
    """Write ``none.json`` to each folder of an evaluation in ``out`` that has remained empty, and to no other."""
    for name, reason in _REASONS.items():
        folder, note = out / name, out / name / EMPTY
        if folder.is_dir() and {path.name for path in folder.iterdir()} <= {EMPTY}:
            write_json(note, {"reason": reason})
        else:
            note.unlink(missing_ok=True)
