"""``scantune slurm``: an experiment's training as a batch script for several nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scantune.commands import project


def slurm(
    experiment: Annotated[str, typer.Argument(help="a name in experiments or derived")],
    nodes: Annotated[int, typer.Option(help="how many", min=1)] = 1,
    gpus: Annotated[
        int, typer.Option(help="GPUs, and processes, on each node; 0 is one CPU process a node", min=0)
    ] = 1,
    cpus: Annotated[int, typer.Option(help="cores of each process", min=1)] = 8,
    memory: Annotated[str, typer.Option(help="of each node")] = "64G",
    time: Annotated[str, typer.Option(help="limit, [days-]hours:minutes[:seconds]")] = "24:00:00",
    partition: Annotated[str, typer.Option(help="where; the cluster's default where empty")] = "",
    account: Annotated[str, typer.Option(help="who pays; your default where empty")] = "",
    setup: Annotated[list[str] | None, typer.Option(help="a line to run first, 'module load cuda'")] = None,
    out: Annotated[Path | None, typer.Option(help="the script; <experiment>.sbatch where left out")] = None,
) -> None:
    """Write a batch script: prepare on the first node, train on all, judge on the first.

    A job whose time is over saves, goes back to the queue, and goes on from there.
    """
    from scantune.engine.slurm import Job, write

    params = project.settings()
    block = project.named(params, project.group_of(params, experiment), experiment)
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
            f"rm -rf {folder}  # as DVC does; what a killed training goes on from lies elsewhere",
        ),
        prepare=(f"dvc repro {' '.join(before)}",),
        after=(f"dvc commit --force {train} || exit", f"dvc repro {register} || exit"),
    )
    path = write(job, out or Path(f"{experiment}.sbatch"))
    typer.echo(f"{path}: start it by: sbatch {path}")
