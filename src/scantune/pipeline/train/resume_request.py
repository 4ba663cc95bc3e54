"""Retained checkpoints of an experiment: list them, and select the one that its next training resumes from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scantune.files import STAGED
from scantune.records import ScantuneError
from scantune.tracking import in_copy, own_folder


@dataclass(frozen=True)
class MemberCheckpoints:
    """The checkpoints of one member.

    Attributes:
        member: its name; "" where there is one network.
        folder: with the files.
        summary: ``checkpoints.json``: strategy, monitor, mode, the best, and a row per checkpoint.
    """

    member: str
    folder: Path
    summary: dict[str, Any]

    def is_resumable(self, file: str) -> bool:
        """Whether the optimizer was saved beside the weights."""
        return (self.folder / file).with_suffix(".pt").exists()


def read_checkpoints(key: str) -> list[MemberCheckpoints]:
    """The checkpoints of an experiment's last training, by member.

    Raises:
        ScantuneError: it has not been trained here.
    """
    folder = Path("outputs") / key / "train" / "checkpoints"
    members = [
        MemberCheckpoints("" if path.parent == folder else path.parent.name, path.parent, json.loads(path.read_text()))
        for path in sorted(folder.rglob("checkpoints.json"))
    ]
    if not members:
        raise ScantuneError(f"{folder}: no checkpoints found; train first: scantune run --experiment {key}")
    return members


def lines(checkpoints: MemberCheckpoints) -> Iterator[str]:
    """A member's checkpoints, one per line, the best marked."""
    summary, best = checkpoints.summary, (checkpoints.summary["best"] or {}).get("epoch")
    title = f"{checkpoints.member}: " if checkpoints.member else ""
    yield f"{title}strategy {summary['strategy']}, ranked by {summary['monitor']} ({summary['mode']})"
    for row in summary["checkpoints"]:
        known = {"best": row["epoch"] == best, "resumable": checkpoints.is_resumable(row["file"])}
        marks = [name for name, holds in known.items() if holds]
        value = "undefined" if row["value"] is None else f"{row['value']:.6g}"
        where = f"  epoch {row['epoch']:4d}  step {row['step']:6d}  {value:>12}  {row['file']}"
        yield f"{where}  {', '.join(marks)}".rstrip()


def described(checkpoints: MemberCheckpoints) -> str:
    """A member's checkpoints in one line."""
    best, rows = checkpoints.summary["best"], checkpoints.summary["checkpoints"]
    size = sum(path.stat().st_size for path in checkpoints.folder.glob("*.*")) / 2**20
    what = (
        f"best {checkpoints.summary['monitor']} {best['value']:.6g} at epoch {best['epoch']}"
        if best
        else "no best epoch"
    )
    title = f"{checkpoints.member}: " if checkpoints.member else ""
    return f"{title}{len(rows)} kept, {what}, {size:.1f} MiB in {checkpoints.folder}"


def resume_from_epoch(key: str, epoch: int) -> None:
    """Let the next training of an experiment resume from a retained epoch.

    Raises:
        ScantuneError: that epoch has no checkpoint of some network, or one without the optimizer; an earlier selection
            then stays.
    """
    every = read_checkpoints(key)
    for checkpoints in every:
        _check_resumable(checkpoints, epoch)
    history = json.loads((Path("outputs") / key / "train" / "history.json").read_text(encoding="utf-8"))
    half = _home(key).with_name(f".{key}{STAGED}")  # renamed when whole: a training reads all networks' files or none
    shutil.rmtree(half, ignore_errors=True)
    for checkpoints in every:
        target = half / (checkpoints.member or "member") / "checkpoints"
        target.mkdir(parents=True)
        # an earlier one may remain the best
        for file in (row["file"] for row in checkpoints.summary["checkpoints"] if row["epoch"] <= epoch):
            for path in checkpoints.folder.glob(f"{Path(file).stem}.*"):
                shutil.copy2(path, target)
        own = history["members"][checkpoints.member] if checkpoints.member else history
        (target.parent / "history.json").write_text(json.dumps(own), encoding="utf-8")
    done(key)
    half.rename(_home(key))


def _check_resumable(checkpoints: MemberCheckpoints, epoch: int) -> None:
    """Check that an epoch has its weights and its optimizer.

    Raises:
        ScantuneError: one of them is not there.
    """
    rows = {row["epoch"]: row["file"] for row in checkpoints.summary["checkpoints"]}
    of = f"{checkpoints.member}: " if checkpoints.member else ""
    if epoch not in rows:
        raise ScantuneError(f"{of}epoch {epoch} has no checkpoint; known: {', '.join(map(str, rows)) or 'none'}")
    if not checkpoints.is_resumable(rows[epoch]):
        raise ScantuneError(
            f"{of}{rows[epoch]} contains weights only: set train.checkpoints.save_optimizer and save_scheduler "
            "before a training that is to be resumed from its checkpoints, or start from the weights"
        )


def requested_weights(key: str, member: str) -> Path | None:
    """The weights that a training is to resume from, if :func:`resume_from_epoch` selected some.

    A training in a copy of the project, with other settings, is another one: the selection waits for its own.
    """
    if in_copy():
        return None
    return max((_home(key) / (member or "member") / "checkpoints").glob("epoch-*.safetensors"), default=None)


def done(key: str) -> None:
    """Delete the selection: the next training starts from the beginning. One in a copy of the project leaves it."""
    if in_copy():
        return
    shutil.rmtree(_home(key), ignore_errors=True)


def _home(key: str) -> Path:
    return own_folder() / "continue" / key
