"""The code of every stage: ``python stages/code_digests.py`` → ``data/code/<stage>[/<task>].csv``, file and digest."""

from __future__ import annotations

import re
from pathlib import Path

from scantune.code_graph import CodeGraph
from scantune.digests import file_digest
from scantune.plugins import load_plugins
from scantune.script import settings_main
from scantune.tables import write_csv
from scantune.tasks import catalogue

OUT = Path("data/code")
#: Stages of one experiment: of the tasks they use its own alone; those of an ensemble depend on the file of all tasks.
OF_A_TASK = ("train", "evaluate", "register")
#: What a stage uses and no import shows: cohorts are found by entry point; which columns are targets, and how many
#: classes a mask has, is asked of the tasks in params.yaml.
BESIDE = {
    "demo": r"scantune_phantoms(\..+)?",
    "preprocess": r"scantune\.tasks\.\w+\.settings",
    "split": r"scantune\.tasks\.\w+\.settings",
}


def run(root: Path = Path(".")) -> None:
    """Write, for every script in ``stages/``, the digests of all files of code that it uses."""
    load_plugins(root / "plugins")  # their tasks have files here too
    graph = CodeGraph(root)
    digests = {path: file_digest(path) for path in graph.files(graph.modules)}
    for stage in scripts(graph):
        for task in ("", *catalogue.names()) if stage in OF_A_TASK else ("",):
            path = root / OUT / stage / f"{task}.csv" if task else root / OUT / f"{stage}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            used = graph.files(used_by(graph, stage, task))
            write_csv(path, ["file", "sha256"], ([one.relative_to(root).as_posix(), digests[one]] for one in used))


def scripts(graph: CodeGraph) -> list[str]:
    """Names of the stages' scripts, but for this one and the one that comes before it."""
    names = (name.partition("stages.")[2] for name in graph.modules if name.startswith("stages."))
    return [name for name in names if name not in {Path(__file__).stem, "settings"}]


def used_by(graph: CodeGraph, stage: str, task: str = "") -> set[str]:
    """Modules that a stage uses: what it reaches by imports, and of :data:`BESIDE` what that reaches."""
    beside = [name for name in graph.modules if stage in BESIDE and re.fullmatch(BESIDE[stage], name)]
    return {name for start in (f"stages.{stage}", *beside) for name in graph.reached(start, task)}


if __name__ == "__main__":
    settings_main(run)
