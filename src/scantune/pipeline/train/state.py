"""State of a training that survives an interruption: outside the stage's outputs, which DVC deletes before it runs."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scantune import files
from scantune.digests import text_digest
from scantune.pipeline.train.locks import training_lock
from scantune.pipeline.train.training import TrainingPlan
from scantune.tracking import Run, own_folder


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
    if block["train"].get("resume") == "lenient":  # it resumes what was begun under "exact"
        block["train"]["resume"] = "exact"
    content = {
        "key": plan.key,
        "experiment": block,
        "input": plan.input.model_dump(mode="json"),
        "data": [plan.sides.side(name).digest for name in ("train", "validation")],
        "folds": [m.fold for m in plan.sides.members],
        "start": plan.start_digest,
    }
    digest = text_digest(json.dumps(content, sort_keys=True, default=str), 20)
    folder = own_folder() / "state" / f"{plan.key}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        if writes:
            stack.enter_context(training_lock(plan.key))
            stack.enter_context(training_lock(plan.key, folder.with_name(f"{folder.name}.lock")))
        yield State(folder, writes)
