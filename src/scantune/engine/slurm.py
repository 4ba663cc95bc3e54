"""The batch script of a training under SLURM: several nodes, requeued at the time limit.

SIGTERM saves the training before the limit, and the requeued job resumes from the saved state.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from scantune import files
from scantune.records import ScantuneError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")
_TIME = re.compile(r"(?:(\d+)-)?(\d+):(\d{2})(?::(\d{2}))?")
_HOURS_PER_DAY, _SIXTY = 24, 60


@dataclass(frozen=True)
class Job:
    """Resources and commands of a SLURM job.

    Attributes:
        name: of the job.
        command: of each process, as a list of arguments.
        nodes: number of nodes.
        gpus_per_node: GPUs (and processes) per node; 0 is one CPU process per node.
        cpus_per_task: cores per process.
        memory: per node, in the notation of SLURM.
        time: limit, ``[days-]hours:minutes[:seconds]``.
        partition: empty for the default of the cluster.
        account: empty for the default of the user.
        seconds_to_save: seconds between SIGTERM and the time limit.
        max_requeues: largest number of requeues.
        setup: lines before the job on the first node (modules, environment).
        prepare: commands after ``setup`` on the first node; the job can be requeued while they run.
        after: lines on the first node after the training.
    """

    name: str
    command: tuple[str, ...]
    nodes: int = 1
    gpus_per_node: int = 1
    cpus_per_task: int = 8
    memory: str = "64G"
    time: str = "24:00:00"
    partition: str = ""
    account: str = ""
    seconds_to_save: int = 120
    max_requeues: int = 20
    setup: tuple[str, ...] = field(default=())
    prepare: tuple[str, ...] = field(default=())
    after: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        identifiers = {"name": self.name, "partition": self.partition or "x", "account": self.account or "x"}
        for key, value in identifiers.items():
            if not _NAME.fullmatch(value):
                raise ScantuneError(f"{key}: {value!r} may only contain letters, digits, '_', '-' and '.'")
        if _seconds(self.time) <= self.seconds_to_save:
            raise ScantuneError(
                f"time: {self.time!r} is not longer than the {self.seconds_to_save} seconds kept for saving"
            )
        if not re.fullmatch(r"\d+[KMGT]?", self.memory):
            raise ScantuneError(f"memory: {self.memory!r} is not a size, as in 64G")


def _seconds(time: str) -> int:
    """Seconds of ``[days-]hours:minutes[:seconds]``.

    Raises:
        ScantuneError: another form, or a number beyond its range.
    """
    match = _TIME.fullmatch(time)
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, _SIXTY, 0)
    if minutes >= _SIXTY or seconds >= _SIXTY or (days and hours >= _HOURS_PER_DAY):
        raise ScantuneError(
            f"time: {time!r} is not [days-]hours:minutes[:seconds], as in 24:00:00 or 3-12:00; minutes and "
            "seconds are below 60, and hours below 24 after days"
        )
    return ((days * _HOURS_PER_DAY + hours) * _SIXTY + minutes) * _SIXTY + seconds


def _limit(time: str) -> str:
    """The time limit in the one notation that SLURM reads in one way: to it ``10:00`` is ten minutes."""
    minutes, seconds = divmod(_seconds(time), _SIXTY)
    hours, minutes = divmod(minutes, _SIXTY)
    days, hours = divmod(hours, _HOURS_PER_DAY)
    return f"{days}-{hours:02}:{minutes:02}:{seconds:02}"


def script(job: Job) -> str:
    """The batch script as text.

    The shell of the job must survive the signal, so ``srun`` runs in the background; 143 is the exit code of a training
    that was saved after SIGTERM.
    """
    tasks = max(1, job.gpus_per_node)
    options = {
        "job-name": job.name,
        "nodes": job.nodes,
        "ntasks-per-node": tasks,
        "cpus-per-task": job.cpus_per_task,
        "mem": job.memory,
        "time": _limit(job.time),
        "partition": job.partition,
        "account": job.account,
        "gpus-per-node": job.gpus_per_node or "",
        "signal": f"B:TERM@{job.seconds_to_save}",
        "output": "slurm-%j.log",
        "open-mode": "append",
    }
    lines = ["#!/bin/bash"]
    lines += [f"#SBATCH --{key}={value}" for key, value in options.items() if value != ""]
    lines += ["#SBATCH --requeue", "", "set -u", *job.setup, "", *_environment(job), "", *_requeue(job)]
    lines += [*_prepare(job), "", *_body(job)]
    return "\n".join(lines) + "\n"


def _environment(job: Job) -> list[str]:
    return [
        'export MASTER_ADDR="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"',
        'export MASTER_PORT="$((20000 + SLURM_JOB_ID % 20000))"',
        f"export OMP_NUM_THREADS={job.cpus_per_task}",
        f"export SCANTUNE_STOP_SECONDS={job.seconds_to_save}",
    ]


def _requeue(job: Job) -> list[str]:
    return [
        "again() {  # requeue: the job resumes from the saved state",
        f'  [ "${{SLURM_RESTART_COUNT:-0}}" -ge {job.max_requeues} ] || scontrol requeue "$SLURM_JOB_ID"',
        "  exit 143",
        "}",
        "",
    ]


def _prepare(job: Job) -> list[str]:
    if not job.prepare:
        return []
    return [
        f"( {' && '.join(job.prepare)} ) &",
        "step=$!",
        "stopped=0",
        "trap 'stopped=1; kill -TERM \"$step\" 2>/dev/null' TERM",
        "code=0",
        'wait "$step" || code=$?',
        '[ "$stopped" -eq 0 ] || again',
        '[ "$code" -eq 0 ] || exit "$code"',
    ]


def _body(job: Job) -> list[str]:
    command = shlex.join(job.command)
    return [
        f"srun --kill-on-bad-exit=1 {command} &",
        "step=$!",
        'trap \'scancel --signal=TERM "${SLURM_JOB_ID}.0" 2>/dev/null || kill -TERM "$step"\' TERM',
        "code=0",
        'wait "$step" || code=$?',
        "# The signal ends the first wait; the training is still saving then.",
        'while kill -0 "$step" 2>/dev/null; do code=0; wait "$step" || code=$?; done',
        '[ "$code" -ne 143 ] || again',
        '[ "$code" -eq 0 ] || exit "$code"',
        *job.after,
        "exit 0",
    ]


def write(job: Job, path: Path) -> Path:
    """Write the script for ``sbatch``."""
    files.write_text(path, script(job))
    return path
