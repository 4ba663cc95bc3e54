"""Average models: ``python stages/ensemble.py <name in ensembles>`` → ``ensembles/<name>/predictions.csv``."""

from __future__ import annotations

from pathlib import Path

from scantune.cli import stage_main
from scantune.config.load import load
from scantune.pipeline.project import block_of


def run(key: str) -> None:
    """Average the predictions of the members of ``ensembles.<key>`` on the same samples."""
    from scantune.pipeline.evaluate import ensembles
    from scantune.tasks.predictions import write

    params = load()
    members = params.ensembles[key].members
    task = block_of(params, members[0]).task
    table = ensembles.average(ensembles.read_members(members), task)
    out = Path("ensembles") / key
    out.mkdir(parents=True, exist_ok=True)
    write(table, out / "predictions.csv")


if __name__ == "__main__":
    stage_main(run)
