"""What the evaluate stage does: predictions, figures, report; and what of it goes to MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scantune.assembly import figures
from scantune.assembly.cohort import Sides
from scantune.assembly.evaluation import predictions_of
from scantune.registry.model import read_facts
from scantune.tasks import scoring
from scantune.tasks.predictions import write
from scantune.tracking import Run, RunReference


def judge(
    params: Any, key: str, sides: Sides, model: Path, out: Path, run: Run, trained: RunReference
) -> dict[str, Any]:
    """Write ``predictions.csv``, ``metrics.json``, ``summary.json`` and ``figures/`` to ``out``; log them.

    Args:
        params: all settings.
        key: the experiment.
        sides: its samples.
        model: the trained model's folder.
        out: ``outputs/<experiment>/evaluate``.
        run: the MLflow run.
        trained: run and logged model of the train stage.

    Returns:
        ``metrics.json``.
    """
    from scantune.assembly.recipe import block_of

    block = block_of(params, key)
    out.mkdir(parents=True, exist_ok=True)
    facts = read_facts(model)
    table = predictions_of(
        block.task, facts, model, sides, batch_size=block.train.batch_size, device=block.train.device
    )
    write(table, out / "predictions.csv")
    settings = block.evaluate
    metrics = scoring.evaluate(
        table,
        block.task,
        draws=settings.draws,
        seed=settings.seed,
        confidence=settings.confidence,
        groups=settings.groups,
        age_bands=settings.age_bands,
        min_group=settings.min_group,
        calibration=block.train.calibration,
        miscoverage=block.train.miscoverage,
        cohort=_covariates(block),
        covariates=settings.covariates,
    )
    scoring.write_json(metrics, out / "metrics.json")
    summary = scoring.summary(metrics)
    scoring.write_json(summary, out / "summary.json")
    figures.save_all(figures.draw(table, block.task, metrics), out / "figures")
    log_results(run, block.dataset, sides, metrics, summary, out, trained)
    return metrics


def _covariates(block: Any) -> Any:
    """All sides with their targets and covariates: what the simple baseline models are fitted on."""
    from scantune.tasks.baselining import cohort_table
    from scantune.tasks.predictions import read

    manifest = Path("data/cache") / block.input / "manifest.csv"
    splits = Path("data/splits") / block.dataset / "splits.csv"
    return cohort_table(read(manifest), read(splits), block.task.target_names(), block.task.name)


def log_results(
    run: Run,
    dataset: str,
    sides: Sides,
    metrics: dict[str, Any],
    summary: dict[str, Any],
    out: Path,
    trained: RunReference,
) -> None:
    """Every figure to the evaluate run, with the model and the test data; the headline ones to the train run too."""
    if not run.on:
        return
    test = sides.side("test")
    data = (f"{dataset} test", test.digest)
    run.dataset(*data, context="test", rows=len(test))
    values = {f"test_{name}": entry["value"] for name, entry in metrics["metrics"].items()}
    run.metrics(values, model_id=trained.model_id, dataset=data)
    bounds = {
        f"test_{name}_{bound}": metrics["metrics"][name][bound]
        for name in metrics["headline"]
        if name in metrics["metrics"]
        for bound in ("lower", "upper")
    }
    run.metrics(bounds)
    for name in ("predictions.csv", "metrics.json", "report.html", "model_card.md"):
        run.artifact(out / name)
    run.artifact(out / "figures", "figures")
    if trained.run_id:
        parent = Run(run.service, trained.run_id)
        parent.metrics({f"test_{name}": value for name, value in summary.items()})
        parent.flush()
