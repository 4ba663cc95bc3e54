"""State of a training that survives an interruption: outside the stage's outputs, which DVC deletes before it runs."""

from __future__ import annotations

import contextlib
import glob
import json
import logging
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from scantune import files, plugins
from scantune.digests import text_digest
from scantune.pipeline.train.locks import training_lock
from scantune.pipeline.train.training import TrainingPlan
from scantune.tracking import Run, own_folder

log = logging.getLogger(__name__)

#: Keys of ``train`` that change nothing of the result, so that an interrupted training resumes under other values.
_WITHOUT_EFFECT = {
    "workers", "pin_memory", "clear_cache", "save_every_minutes", "on_out_of_memory", "on_non_finite",
}  # fmt: skip

_SAVED = "*/state/state.pt"


@dataclass(frozen=True)
class State:
    """A folder named by a digest of all that the training depends on: settings and data."""

    folder: Path
    writes: bool

    def run_id(self) -> str | None:
        """The MLflow run of the interrupted training."""
        path = self.folder / "mlflow_run"
        return path.read_text().strip() or None if path.exists() else None

    def remember(self, run_id: str | None) -> None:
        """Store the MLflow run's id."""
        if self.writes and run_id:
            files.write_text(self.folder / "mlflow_run", run_id)

    def forget(self) -> None:
        """Delete the state of a finished training: the next one starts from the beginning.

        Points that a logger did not accept remain, beside the run's id.
        """
        if not self.writes:
            return
        waiting = {path.parent for path in self.folder.rglob("undelivered.jsonl")}
        for path in sorted(self.folder.rglob("*"), reverse=True):
            if path.is_file() and path.name not in {"undelivered.jsonl", "mlflow_run"}:
                path.unlink()
            elif path.is_dir() and path not in waiting and not any(path.iterdir()):
                path.rmdir()
        if not waiting:
            shutil.rmtree(self.folder, ignore_errors=True)


def resend(run: Run) -> None:
    """Send undelivered metrics of earlier trainings to their runs.

    Args:
        run: any open run: its service is the tracking server.
    """
    from scantune.engine import send_left
    from scantune.pipeline.train.sinks import MlflowSink

    if not run.on:
        return
    home = own_folder() / "state"
    for left in sorted(home.glob("*/*/state/undelivered.jsonl")):
        noted = left.parents[2] / "mlflow_run"
        if not noted.exists():
            continue
        theirs = Run(run.service, noted.read_text().strip())
        sinks = {s.name: s for s in (MlflowSink(theirs), MlflowSink(theirs, f"{left.parents[1].name}/"))}
        if send_left(left.parent, sinks) == 0:
            shutil.rmtree(left.parents[2], ignore_errors=True)


@contextlib.contextmanager
def opened_state(plan: TrainingPlan, writes: bool) -> Iterator[State]:
    """The state folder of a plan, under the lock of its experiment: only one process trains it at a time.

    Args:
        plan: of the experiment.
        writes: whether this process is the one that writes (rank 0).

    Raises:
        TrainingUnderWay: another process trains it, here or in a copy of the project.
    """
    block = plan.block.model_dump(mode="json", include={"task", "model", "train", "from_", "use"})
    train: dict[str, Any] = {name: value for name, value in block["train"].items() if name not in _WITHOUT_EFFECT}
    if train.get("resume") == "lenient":  # it resumes what was begun under "exact"
        train["resume"] = "exact"
    sides = [plan.sides.side(name) for name in ("train", "validation")]
    content = {
        "key": plan.key,
        "experiment": {**block, "train": train},
        "input": plan.input.model_dump(mode="json"),
        "data": [digest for side in sides for digest in (side.digest, side.table_digest)],
        "folds": [m.fold for m in plan.sides.members],
        "start": plan.start_digest,
        "plugins": [plugins.digest_of(plugins.files_of(Path(plugins.NAME))), plugins.packages()],
    }
    digest = text_digest(json.dumps(content, sort_keys=True, default=str), 20)
    folder = own_folder() / "state" / f"{plan.key}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        if writes:
            stack.enter_context(training_lock(plan.key))
            stack.enter_context(training_lock(plan.key, folder.with_name(f"{folder.name}.lock")))
            _tell_of_others(plan.key, folder)
        yield State(folder, writes)


def _tell_of_others(key: str, folder: Path) -> None:
    """Warn, at the start of a new training, of interrupted ones of the same experiment with other settings or data."""
    if any(folder.glob(_SAVED)):
        return
    if others := interrupted(key):
        log.warning(
            "%s: an interrupted training had other settings or data, or was of another version of scantune: it is not "
            "resumed, and this one starts from the beginning. Resume it by what it had, or remove %s",
            key,
            ", ".join(others),
        )


def interrupted(key: str) -> list[str]:
    """Folders of an experiment's trainings that were interrupted, of whatever settings, from the project's folder."""
    saved = {path.parents[2] for path in (own_folder() / "state").glob(f"{glob.escape(key)}-*/{_SAVED}")}
    own = sorted(path for path in saved if re.fullmatch("[0-9a-f]{20}", path.name.removeprefix(f"{key}-")))
    return [f".scantune/state/{path.name}" for path in own if _is_free(path.with_name(f"{path.name}.lock"))]


def _is_free(lock: Path) -> bool:
    """Whether no process trains under a lock."""
    with contextlib.suppress(Timeout), FileLock(lock, timeout=0):
        return True
    return False
