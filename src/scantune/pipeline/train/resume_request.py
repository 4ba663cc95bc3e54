"""Retained checkpoints of an experiment: list them, and select the one that its next training resumes from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scantune.records import ScantuneError
from scantune.tracking import own_folder


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
        raise ScantuneError(f"{folder}: no checkpoints found; run: dvc repro train@{key}")
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
        ScantuneError: that epoch has no checkpoint, or one without the optimizer.
    """
    home = _home(key)
    shutil.rmtree(home, ignore_errors=True)
    history = json.loads((Path("outputs") / key / "train" / "history.json").read_text())
    for checkpoints in read_checkpoints(key):
        rows = {row["epoch"]: row["file"] for row in checkpoints.summary["checkpoints"]}
        if epoch not in rows:
            raise ScantuneError(f"epoch {epoch} has no checkpoint; known: {', '.join(map(str, rows)) or 'none'}")
        if not checkpoints.is_resumable(rows[epoch]):
            raise ScantuneError(
                f"{rows[epoch]} contains weights only: set train.checkpoints.save_optimizer and save_scheduler "
                "before a training that is to be resumed from its checkpoints, or start from the weights"
            )
        target = home / (checkpoints.member or "member") / "checkpoints"
        target.mkdir(parents=True)
        for file in (file for number, file in rows.items() if number <= epoch):  # an earlier one may remain the best
            for path in checkpoints.folder.glob(f"{Path(file).stem}.*"):
                shutil.copy2(path, target)
        member_history = history["members"][checkpoints.member] if checkpoints.member else history
        (target.parent / "history.json").write_text(json.dumps(member_history))


def requested_weights(key: str, member: str) -> Path | None:
    """The weights that a training is to resume from, if :func:`resume_from_epoch` selected some."""
    return max((_home(key) / (member or "member") / "checkpoints").glob("epoch-*.safetensors"), default=None)


def done(key: str) -> None:
    """Delete the selection: the next training starts from the beginning."""
    shutil.rmtree(_home(key), ignore_errors=True)


def _home(key: str) -> Path:
    return own_folder() / "continue" / key
