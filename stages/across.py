"""One table of a model on all datasets: ``python stages/across.py <name in external>`` → ``external/<name>/``."""

from __future__ import annotations

import json
from pathlib import Path

from scantune.config.load import load
from scantune.pipeline.project import evaluated_block, external_block, home_of
from scantune.script import stage_main


def run(key: str) -> None:
    """Put the experiment of ``external.<key>`` on every dataset that it was validated on into one table and figure."""
    from scantune.files import write_json
    from scantune.pipeline.evaluate import across
    from scantune.tables import write_rows

    params = load()
    name = external_block(params, key).experiment
    home = json.loads((home_of(params, name) / "evaluate" / "metrics.json").read_text())
    home_metrics = (evaluated_block(params, name).dataset, home)
    others = across.others_of(params, name)
    out = Path("external") / key
    rows = across.table_rows(home_metrics, others)
    write_rows(out / "table.csv", rows)
    write_json(out / "external.json", {"experiment": name, "datasets": rows})
    across.draw_across(name, home_metrics, others, out)


if __name__ == "__main__":
    stage_main(run)
