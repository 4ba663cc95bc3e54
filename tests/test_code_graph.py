"""What a module reaches by its imports, on a small project; and what the stages of this one reach."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scantune.code_graph import LEFT_OUT, CodeGraph
from scantune.tasks import catalogue
from stages.code_digests import used_by

ROOT = Path(__file__).parents[1]
FILES = {
    "stages/train.py": """
        from scantune import plots, words as said
        from scantune.facade import one
        def run():
            from scantune.inside import deep
            plots.curve(); said.say(); part(name, "task"); NAMES = ("scantune.named.late",)
    """,
    "src/scantune/__init__.py": "",
    "src/scantune/plots/__init__.py": "_HOME = {'curve': 'curves', 'bars': 'bar'}\ndef __getattr__(name): ...",
    "src/scantune/plots/curves.py": "from . import style",
    "src/scantune/plots/style.py": "",
    "src/scantune/plots/bar.py": "",
    "src/scantune/plots/templates/page.css": "",
    "src/scantune/words.py": """
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from scantune.plots.bar import Bar
    """,
    "src/scantune/facade/__init__.py": "from scantune.facade.a import one\nfrom scantune.facade.b import two",
    "src/scantune/facade/a.py": "",
    "src/scantune/facade/b.py": "",
    "src/scantune/inside/__init__.py": "from scantune.inside import registered\nfrom .deep import thing",
    "src/scantune/inside/deep.py": "from ..script import stage_main",
    "src/scantune/inside/registered.py": "",
    "src/scantune/script.py": "import scantune.behind",
    "src/scantune/behind.py": "",
    "src/scantune/named/__init__.py": "",
    "src/scantune/named/late.py": "",
    "src/scantune/tasks/x/task.py": "",
    "src/scantune/tasks/y/task.py": "",
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> CodeGraph:
    root = tmp_path_factory.mktemp("code")
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(re.sub(r"(?m)^        ", "", text))
    return CodeGraph(root)


@pytest.fixture(scope="module")
def project() -> CodeGraph:
    return CodeGraph(ROOT)


def names(modules: dict[str, str]) -> set[str]:
    return {name.removeprefix("scantune.") for name in modules}


def test_imports_in_functions_through_packages_by_table_and_by_task_count_and_those_of_types_do_not(small):
    direct = {"stages.train", "plots.curves", "plots.style", "words", "facade.a", "inside.deep", "inside.registered"}
    assert names(small.reached("stages.train", "x")) == direct | {"named.late", "tasks.x.task"}
    assert names(small.reached("stages.train")) == direct | {"named.late", "tasks.x.task", "tasks.y.task"}


def test_what_is_left_out_is_not_entered(small):
    assert {"script", "behind"} <= names(small.reached("stages.train", without=()))


def test_files_beside_the_modules_of_a_package_belong_to_it(small):
    result = [path.name for path in small.files({"scantune.plots.curves", "scantune.words"})]
    assert result == ["curves.py", "page.css", "words.py"]


def test_every_module_that_is_left_out_is_there(project):
    for pattern in LEFT_OUT:
        assert any(re.fullmatch(pattern, name) for name in project.modules), pattern


@pytest.mark.parametrize("task", catalogue.names())
def test_a_training_uses_no_figures_reports_or_maps_and_of_the_tasks_its_own(project, task):
    used = used_by(project, "train", task)
    grids = {f"scantune.io.{name}" for name in ("arrays", "geometry", "upright")}  # those of the masks' own files
    left = used - {"scantune.plots.words"} - (grids if task == "segmentation" else set())
    parts = {part for name in left for part in name.split(".")}
    assert not parts & {
        "plots",
        "report",
        "explain",
        "evaluate",
        "maps",
        "figures",
        "words",
        "errors",
        "commands",
        "io",
    }
    assert "scantune.cohort.table" not in used, "it would train again where Excel is read otherwise"
    assert {name.split(".")[2] for name in used if re.fullmatch(r"scantune\.tasks\.\w+\.task", name)} == {task}
    for needed in ("losses.regression", "augment.volume", "models.network", "engine.fitting", "config.train"):
        assert f"scantune.{needed}" in used


@pytest.mark.parametrize("stage", ["evaluate", "external"])
def test_an_evaluation_neither_trains_nor_reads_files_of_a_cohort(project, stage):
    for name in names(dict.fromkeys(used_by(project, stage))):
        assert not name.startswith(("pipeline.train", "pipeline.maps.retraining", "engine.fitting", "engine.step"))
        assert name not in {"cohort.load", "preprocess.prepare", "preprocess.display", "io.reading"}


def test_a_map_check_uses_what_its_training_uses_and_no_figure(project):
    more = names(dict.fromkeys(used_by(project, "map_check") - used_by(project, "train")))
    assert more == {"stages.map_check", "pipeline.maps.retraining", "explain.sanity.shuffling"}


def test_a_training_uses_the_presets_and_preparing_does_not(project):
    assert "scantune.config.presets" in used_by(project, "train", "classification")
    assert not any("presets" in module for module in used_by(project, "preprocess"))
    assert "scantune.config.synonyms" not in used_by(project, "train", "classification")


def test_stages_use_what_they_do_and_little_else(project):
    assert names(dict.fromkeys(used_by(project, "index"))) <= {
        *("stages.index", "cohort.index", "cohort.faults", "digests", "files", "progress", "records", "tables"),
        "pipeline.project",
        "spelling",
    }
    assert "scantune.preprocess.volume" in used_by(project, "preprocess")
    assert not any(".preprocess." in name for name in used_by(project, "split"))
    for stage, task in (("preprocess", ""), ("split", ""), ("train", "regression")):
        assert "scantune.statistics.calibration" not in used_by(project, stage, task), "it would run again with it"
    assert {"scantune_phantoms.loes.brain", "scantune.io.nifti_writer"} <= used_by(project, "demo")
    assert ROOT / "src/scantune/report/templates/report.css" in project.files(used_by(project, "evaluate", "zones"))
