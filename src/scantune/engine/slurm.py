"""The batch script that trains under SLURM: several nodes, put back in the queue when its time is over.

Nothing else is needed for that: a training that is killed goes on where it was saved, and SIGTERM saves it first.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from scantune import files
from scantune.records import ScantuneError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")
_TIME = re.compile(r"(\d+-)?\d{1,2}(:\d{2}){1,2}")


@dataclass(frozen=True)
class Job:
    """What is asked of SLURM.

    Attributes:
        name: of the job.
        command: what each process runs, as a list of words.
        nodes: how many.
        gpus_per_node: GPUs, and processes, on each; 0 is one CPU process a node.
        cpus_per_task: cores of each process.
        memory: of each node, as SLURM writes it.
        time: limit, ``[days-]hours:minutes[:seconds]``.
        partition: where; the cluster's default where empty.
        account: who pays; the user's default where empty.
        seconds_to_save: between the signal and the end.
        max_requeues: how often it is put back in the queue before it gives up.
        setup: lines run on the first node before (modules, environment).
        prepare: commands run there then, which may take long: the job goes back to the queue in their midst too.
        after: lines run there once the training is done.
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
        named = {"name": self.name, "partition": self.partition or "x", "account": self.account or "x"}
        for key, value in named.items():
            if not _NAME.fullmatch(value):
                raise ScantuneError(f"slurm.{key}: {value!r} may have letters, digits, '_', '-' and '.' alone")
        if not _TIME.fullmatch(self.time):
            raise ScantuneError(f"slurm.time: {self.time!r} is not [days-]hours:minutes[:seconds], as in 24:00:00")
        if not re.fullmatch(r"\d+[KMGT]?", self.memory):
            raise ScantuneError(f"slurm.memory: {self.memory!r} is not a size, as in 64G")


def script(job: Job) -> str:
    """The batch script as text.

    The job's own shell must outlive the signal, so ``srun`` runs behind it and is waited for; 143 is the exit code of
    a training that was told to stop and has saved.
    """
    tasks = max(1, job.gpus_per_node)
    options = {
        "job-name": job.name,
        "nodes": job.nodes,
        "ntasks-per-node": tasks,
        "cpus-per-task": job.cpus_per_task,
        "mem": job.memory,
        "time": job.time,
        "partition": job.partition,
        "account": job.account,
        "gpus-per-node": job.gpus_per_node or "",
        "signal": f"B:TERM@{job.seconds_to_save}",
        "output": "slurm-%j.log",
        "open-mode": "append",
    }
    lines = ["#!/bin/bash"]
    lines += [f"#SBATCH --{key}={value}" for key, value in options.items() if value != ""]
    lines += ["#SBATCH --requeue", "", "set -u", *job.setup, "", *_environment(job), "", *_again(job)]
    lines += [*_prepare(job), "", *_body(job)]
    return "\n".join(lines) + "\n"


def _environment(job: Job) -> list[str]:
    return [
        'export MASTER_ADDR="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"',
        'export MASTER_PORT="$((20000 + SLURM_JOB_ID % 20000))"',
        f"export OMP_NUM_THREADS={job.cpus_per_task}",
        f"export SCANTUNE_STOP_SECONDS={job.seconds_to_save}",
    ]


def _again(job: Job) -> list[str]:
    return [
        "again() {  # back to the queue, where it goes on from what is saved",
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
    """Write the script, to be handed to ``sbatch``."""
    files.write_text(path, script(job))
    return path
