"""Learning-rate finder of an experiment: the curve in MLflow and as a picture, the suggestion as text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune import plots
from scantune.files import write_json
from scantune.pipeline.train import networks
from scantune.pipeline.train.training import TrainingPlan, sweep_member
from scantune.tables import write_rows
from scantune.tracking import Run

if TYPE_CHECKING:
    from lightning_fabric import Fabric

DONE = "learning_rate.json"


def sweep_once(plan: TrainingPlan, run: Run, folder: Path, fabric: Fabric) -> None:
    """The sweep before a training, where ``train.find_learning_rate`` asks for it; a resumed training has it already.

    Args:
        plan: the plan.
        run: of the training.
        folder: state of the training, which survives an interruption.
        fabric: as launched; every process calls this.
    """
    done = fabric.broadcast((folder / DONE).exists())
    if not plan.block.train.find_learning_rate or done:
        return
    text = sweep(plan, run, folder, fabric)
    if fabric.is_global_zero:
        print(text, flush=True)


def sweep(plan: TrainingPlan, run: Run, folder: Path, fabric: Fabric, **span: Any) -> str:
    """Sweep the learning rate of an experiment's first network, and log it; the suggestion as text.

    Args:
        plan: the plan.
        run: gets ``figures/learning_rate.png``, the loss by step and by rate, and the suggestion.
        folder: gets ``learning_rate.png``, ``.svg``, ``.csv`` and ``.json``.
        fabric: as launched.
        **span: ``lowest``, ``highest`` and ``steps`` of :func:`scantune.engine.sweep_rates`.
    """
    first = next(networks.members_of(plan))
    result = sweep_member(
        plan,
        first.train,
        seed=first.seed,
        start=networks.start_of(plan, "weights", first.seed),
        teacher=networks.start_of(plan, "teacher"),
        fabric=fabric,
        **span,
    )
    current = plan.block.train.learning_rate
    if fabric.is_global_zero:
        columns = {"learning_rate": result.rates, "loss": result.losses, "smoothed_loss": result.smoothed}
        rows = [dict(zip(columns, values)) for values in zip(*columns.values())]
        folder.mkdir(parents=True, exist_ok=True)
        write_rows(folder / "learning_rate.csv", rows)
        figure = plots.rate_sweep(
            *columns.values(), suggestion=result.suggestion, current=current, title=f"{plan.key}: learning-rate finder"
        )
        for path in plots.save(figure, folder / "learning_rate"):
            run.artifact(path, "figures")
        for step, row in enumerate(rows, 1):
            run.metrics({f"learning_rate_finder/{name}": value for name, value in row.items()}, step)
        run.metrics({"suggested_learning_rate": result.suggestion})
        write_json(folder / DONE, {"suggestion": result.suggestion, "learning_rate": current})
    return suggestion_text(plan.key, result.suggestion, current, result.rates)


def suggestion_text(key: str, suggestion: float | None, current: float, rates: list[float]) -> str:
    """The suggestion beside the rate of params.yaml, and the command that trains with it."""
    if suggestion is None:
        span = f"{rates[0]:.2g} to {rates[-1]:.2g}" if rates else "all rates"
        return f"{key}: the loss does not fall at learning rates from {span}; no suggestion"
    return (
        f"{key}: suggested learning rate {suggestion:.2g} (params.yaml has {current:g}); try it by: "
        f"scantune run --experiment {key} --learning-rate {suggestion:.2g}"
    )
