"""Kept checkpoints of an experiment: listed, and made what its next training goes on from."""

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
class Kept:
    """The checkpoints of one member.

    Attributes:
        member: its name; "" where there is one network.
        folder: with the files.
        summary: ``checkpoints.json``: strategy, monitor, mode, the best, and a row a checkpoint.
    """

    member: str
    folder: Path
    summary: dict[str, Any]

    def goes_on(self, file: str) -> bool:
        """Whether the optimizer was kept beside the weights."""
        return (self.folder / file).with_suffix(".pt").exists()


def kept(key: str) -> list[Kept]:
    """What the last training of an experiment kept, by member.

    Raises:
        ScantuneError: it has not been trained here.
    """
    folder = Path("outputs") / key / "train" / "checkpoints"
    found = [
        Kept("" if path.parent == folder else path.parent.name, path.parent, json.loads(path.read_text()))
        for path in sorted(folder.rglob("checkpoints.json"))
    ]
    if not found:
        raise ScantuneError(f"{folder}: no checkpoints here; run: dvc repro train@{key}")
    return found


def lines(held: Kept) -> Iterator[str]:
    """A member's checkpoints, one a line, the best marked."""
    summary, best = held.summary, (held.summary["best"] or {}).get("epoch")
    title = f"{held.member}: " if held.member else ""
    yield f"{title}strategy {summary['strategy']}, ranked by {summary['monitor']} ({summary['mode']})"
    for row in summary["checkpoints"]:
        known = {"best": row["epoch"] == best, "can be gone on from": held.goes_on(row["file"])}
        marks = [name for name, holds in known.items() if holds]
        value = "undefined" if row["value"] is None else f"{row['value']:.6g}"
        where = f"  epoch {row['epoch']:4d}  step {row['step']:6d}  {value:>12}  {row['file']}"
        yield f"{where}  {', '.join(marks)}".rstrip()


def described(held: Kept) -> str:
    """A member's checkpoints in one line."""
    best, rows = held.summary["best"], held.summary["checkpoints"]
    size = sum(path.stat().st_size for path in held.folder.glob("*.*")) / 2**20
    what = f"best {held.summary['monitor']} {best['value']:.6g} at epoch {best['epoch']}" if best else "no best epoch"
    return f"{held.member + ': ' if held.member else ''}{len(rows)} kept, {what}, {size:.1f} MiB in {held.folder}"


def go_on_from(key: str, epoch: int) -> None:
    """Make a kept epoch what the next training of an experiment goes on from, instead of starting anew.

    Raises:
        ScantuneError: that epoch was not kept, or without its optimizer.
    """
    home = _home(key)
    shutil.rmtree(home, ignore_errors=True)
    history = json.loads((Path("outputs") / key / "train" / "history.json").read_text())
    for held in kept(key):
        rows = {row["epoch"]: row["file"] for row in held.summary["checkpoints"]}
        if epoch not in rows:
            raise ScantuneError(f"epoch {epoch} was not kept; there are {', '.join(map(str, rows)) or 'none'}")
        if not held.goes_on(rows[epoch]):
            raise ScantuneError(
                f"{rows[epoch]} holds weights alone; set train.checkpoints.save_optimizer and save_scheduler before a "
                "training whose checkpoints are to be gone on from, or start from its weights by model.weights"
            )
        target = home / (held.member or "member") / "checkpoints"
        target.mkdir(parents=True)
        for suffix in (".safetensors", ".pt"):
            shutil.copy2((held.folder / rows[epoch]).with_suffix(suffix), target)
        own = history["members"][held.member] if held.member else history
        (target.parent / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in _journal(own)))


def _journal(history: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows of steps and epochs as they came."""
    for epoch in history["epochs"]:
        yield from ({"kind": "step", **row} for row in history["steps"] if row["epoch"] == epoch["epoch"])
        yield {"kind": "epoch", **epoch}


def wanted(key: str, member: str) -> Path | None:
    """The weights that a training is to go on from, where :func:`go_on_from` was asked for."""
    return next((_home(key) / (member or "member") / "checkpoints").glob("epoch-*.safetensors"), None)


def done(key: str) -> None:
    """The training that went on is over; the next one starts anew."""
    shutil.rmtree(_home(key), ignore_errors=True)


def _home(key: str) -> Path:
    return own_folder() / "continue" / key
