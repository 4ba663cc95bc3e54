"""A change of code runs the stages that use it, and no others; what a stage runs is what it is said to use."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import yaml

from scantune.code_graph import LEFT_OUT, CodeGraph
from stages.code_digests import OF_A_TASK, used_by
from tests.stages.conftest import ENSEMBLE, ROOT, Project, grouped_params, run_stages
from tests.stages.systems import params_of


def stale(project: Project, changes: Mapping[str, tuple[str, str]]) -> set[str]:
    """Stages that changes of code make stale; the files are put back.

    Args:
        project: in which nothing is stale.
        changes: file to a text that stands in it once, and the one in its place.
    """
    before = {project.home / file: (project.home / file).read_text() for file in changes}
    for (path, text), (old, new) in zip(before.items(), changes.values(), strict=True):
        assert text.count(old) == 1, f"{path} has {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new))
    try:
        project.dvc("repro", "-q", "code")
        return set(json.loads(project.dvc("status", "--json").partition("\n")[0]))
    finally:
        for path, text in before.items():
            path.write_text(text)


@pytest.mark.slow
def test_a_changed_colour_trains_nothing_and_a_changed_loss_trains_again(ran):
    judged, trained = ({f"{stage}@{name}" for name in ("small", "other")} for stage in ("evaluate", "train"))
    colours = {
        "src/scantune/plots/style.py": ('"#1A1A1A"', '"#1A1A2A"'),
        "src/scantune/report/templates/report.css": ("#1a2229", "#1a222f"),
        "src/scantune/tasks/zones/task.py": ("import numpy as np", "import numpy as np  # of another task"),
    }
    assert stale(ran, colours) == judged
    loss = {"src/scantune/losses/registry.py": ("import difflib", "import difflib  # changed")}
    assert stale(ran, loss) == trained  # evaluations by the models that come of it
    ran.dvc("repro", "-q", "code")
    assert json.loads(ran.dvc("status", "--json").partition("\n")[0]) == {}


class Executed:
    """Modules of which a function is called, but for what is left out and all that is called from there.

    Args:
        graph: the modules that count.
    """

    def __init__(self, graph: CodeGraph) -> None:
        refused = re.compile("|".join(LEFT_OUT))
        self.modules = {str(path): name for name, path in graph.modules.items() if path.name != "__init__.py"}
        self.left_out = {file for file, name in self.modules.items() if refused.fullmatch(name)}
        self.modules_run: set[str] = set()

    def note(self, frame: FrameType, event: str, argument: Any) -> None:
        """What :func:`sys.setprofile` calls."""
        name = self.modules.get(frame.f_code.co_filename)
        if event == "call" and name is not None and name not in self.modules_run and not self._aside(frame):
            self.modules_run.add(name)

    def _aside(self, frame: FrameType | None) -> bool:
        """While a module is imported, or by what is left out."""
        while frame is not None:
            file = frame.f_code.co_filename
            if file in self.left_out or (file in self.modules and frame.f_code.co_name == "<module>"):
                return True
            frame = frame.f_back
        return False


@contextmanager
def executed(graph: CodeGraph) -> Iterator[set[str]]:
    """The modules that are executed meanwhile, in any thread of this process."""
    seen = Executed(graph)
    before = sys.getprofile()
    threading.setprofile(seen.note)
    sys.setprofile(seen.note)
    try:
        yield seen.modules_run
    finally:
        sys.setprofile(before)
        threading.setprofile(None)  # type: ignore[arg-type]


def undeclared(home: Path, calls: Sequence[str], task: str) -> dict[str, list[str]]:
    """Stage call to the modules that it executes and does not depend on."""
    graph, wrong = CodeGraph(ROOT), {}
    for call in calls:
        with executed(graph) as modules:
            run_stages(home, call)
        used = used_by(graph, call.split()[0], task if call.split()[0] in OF_A_TASK else "")
        assert len(modules & used) >= 2
        if modules - used:
            wrong[call] = sorted(modules - used)
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("group", ["experiment", "ensemble"])
def test_what_a_stage_runs_is_what_its_code_is_said_to_be(tmp_path, group):
    params = grouped_params()
    params["demo"]["digits"]["options"]["n"] = 200
    params["experiments"]["small"]["evaluate"] = {"draws": 200, "saliency": {"samples": 1}}
    params["map_checks"] = {"seed": {"experiment": "small", "from": "small", "use": "shuffled_labels"}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    prepared = ["demo digits", "index digits", "preprocess digits", "split digits", "train small"]
    judged = {
        "experiment": ["evaluate small"],
        "ensemble": ["train other", "map_check seed", "evaluate small", *ENSEMBLE],
    }
    assert undeclared(tmp_path, [*prepared, *judged[group]], "classification") == {}


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["angio", "csi", "loes", "echo"])
def test_so_it_is_for_every_task_and_modality(tmp_path, name):
    params = params_of(name)
    params["experiments"]["x"]["evaluate"]["saliency"] = {"samples": 1}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    calls = [f"{stage} {name}" for stage in ("demo", "preprocess", "split")]
    assert undeclared(tmp_path, [*calls, "train x", "evaluate x"], params["experiments"]["x"]["task"]["name"]) == {}
