"""``scantune slurm``: an experiment's training as a batch script for several nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scantune.commands import project
from scantune.pipeline.project import named


def slurm(
    experiment: Annotated[str, typer.Argument(help="a name in experiments or derived")],
    nodes: Annotated[int, typer.Option(help="number of nodes", min=1)] = 1,
    gpus: Annotated[
        int, typer.Option(help="GPUs, and processes, on each node; 0 is one CPU process a node", min=0)
    ] = 1,
    cpus: Annotated[int, typer.Option(help="cores of each process", min=1)] = 8,
    memory: Annotated[str, typer.Option(help="memory of each node")] = "64G",
    time: Annotated[str, typer.Option(help="time limit, [days-]hours:minutes[:seconds]")] = "24:00:00",
    partition: Annotated[str, typer.Option(help="partition; the cluster's default if empty")] = "",
    account: Annotated[str, typer.Option(help="account to charge; your default if empty")] = "",
    setup: Annotated[
        list[str] | None, typer.Option(help="a shell line to run first, such as 'module load cuda'")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="file of the script; default <experiment>.sbatch")] = None,
) -> None:
    """Write a batch script: prepare on the first node, train on all nodes, evaluate on the first.

    A job that reaches its time limit saves a checkpoint, requeues itself and resumes from there.
    """
    from scantune.engine.slurm import Job, write

    params = project.settings()
    block = named(params, project.group_of(params, experiment), experiment)
    register = project.register_target(params, experiment)
    train = register.replace("register", "train", 1)
    derived = "from_" in type(block).model_fields
    before = [f"train@{block.from_}"] if derived and block.from_ in params.experiments else []
    before += [f"preprocess@{block.input}", f"split@{block.dataset}"]
    folder = f"outputs/{experiment}/train"
    job = Job(
        name=experiment,
        command=("python", "stages/train.py", experiment),
        nodes=nodes,
        gpus_per_node=gpus,
        cpus_per_task=cpus,
        memory=memory,
        time=time,
        partition=partition,
        account=account,
        setup=(
            *(setup or ()),
            "export PYTHONPATH=src",
            f"rm -rf {folder}  # as DVC does; a killed training resumes from elsewhere",
        ),
        prepare=(f"dvc repro {' '.join(before)}",),
        after=(f"dvc commit --force {train} || exit", f"dvc repro {register} || exit"),
    )
    path = write(job, out or Path(f"{experiment}.sbatch"))
    typer.echo(f"{path}: start it by: sbatch {path}")
