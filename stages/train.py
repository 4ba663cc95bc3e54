"""Fine-tune an experiment: ``python stages/train.py <experiment>`` → ``outputs/<experiment>/train/``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scantune.config.load import load
from scantune.script import stage_main

if TYPE_CHECKING:
    from scantune.config.params import Params


def run(key: str) -> None:
    """:func:`train` with the files of samples in its errors."""
    from scantune.pipeline.naming import files_named
    from scantune.pipeline.project import block_of

    params = load()
    with files_named(params, block_of(params, key).dataset):
        train(params, key)


def train(params: Params, key: str) -> None:
    """Train ``experiments.<key>`` (or ``derived.<key>``), fit calibration and intervals on validation, log one complete
    model."""
    from scantune.engine import launch
    from scantune.pipeline.data.seen import refuse_seen
    from scantune.pipeline.monitoring import curves, pictures, rates
    from scantune.pipeline.train import networks
    from scantune.pipeline.train import stage as recipe
    from scantune.pipeline.train.state import opened_state, resend
    from scantune.tracking import RunReference, open_run

    plan = recipe.plan_of(params, key)
    recipe.check_samples(plan)
    refuse_seen(params, key, plan.sides)
    out = Path("outputs") / key / "train"
    settings = plan.block.train
    fabric = launch(
        device=settings.device,
        devices=settings.devices,
        precision=settings.precision,
        find_unused_parameters=settings.find_unused_parameters,
    )
    with (
        opened_state(plan, fabric.is_global_zero) as state,
        open_run(
            "train",
            key,
            dataset=plan.block.dataset,
            description=f"Everything done on the dataset {plan.block.dataset}.",
            resume=state.run_id(),
            enabled=params.tracking.enabled and fabric.is_global_zero,
            require=params.tracking.require,
        ) as tracked,
    ):
        resend(tracked)
        state.remember(tracked.run_id)
        recipe.log_start(tracked, plan)
        rates.sweep_once(plan, tracked, state.folder, fabric)
        trained = networks.train_all(plan, out=out, state=state.folder, run=tracked, fabric=fabric, pictures=pictures)
        if fabric.is_global_zero:
            model_id = recipe.finish(tracked, plan, trained, out)
            curves.log_curves(tracked, plan, out)
            RunReference(tracked.run_id, model_id).write(out / "run.json")
            state.forget()


if __name__ == "__main__":
    stage_main(run)
