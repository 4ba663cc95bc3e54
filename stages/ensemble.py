"""Average models: ``python stages/ensemble.py <name in ensembles>`` → ``ensembles/<name>/predictions.csv``."""

from __future__ import annotations

from pathlib import Path

from scantune.config.load import load
from scantune.pipeline.project import block_of, named
from scantune.script import stage_main


def run(key: str) -> None:
    """Average the predictions of the members of ``ensembles.<key>`` on the same samples."""
    from scantune.files import write_json
    from scantune.pipeline.evaluate import ensembles
    from scantune.tasks.predictions import write

    params = load()
    members = named(params, "ensembles", key).members
    first = block_of(params, members[0])
    table = ensembles.average(ensembles.read_members(members), first.task)
    out = Path("ensembles") / key
    out.mkdir(parents=True, exist_ok=True)
    write(table, out / "predictions.csv")
    write_json(out / "sources.json", ensembles.sources_of(members, first.input, first.dataset), sort_keys=True)


if __name__ == "__main__":
    stage_main(run)
