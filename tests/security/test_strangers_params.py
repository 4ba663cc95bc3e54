"""A stranger's params.yaml under a plain ``dvc repro``: no shell runs any of it, nothing of the project is removed.

DVC puts names of params.yaml into paths of outputs, which it removes before a stage runs.
"""

from __future__ import annotations

import copy
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from scantune.config.load import ConfigError, parse
from scantune.records import ScantuneError
from tests.stages.conftest import ROOT, Project, digits_params, ensemble, experiment, make_project, run_stages

#: Group of params.yaml to the path of one output with the name in it, as it stands in dvc.yaml.
FOLDERS = {
    "demo": "data/demo/{}",
    "datasets": "data/index/{}/root.csv",
    "watched": "data/index/digits/{}.csv",
    "inputs": "data/cache/{}",
    "experiments": "outputs/{}/train/model",
    "derived": "outputs/{}/train/model",
    "external": "outputs/external/{}/figures",
    "ensembles": "ensembles/{}/train/model",
}
SHELL = ("$(touch {})", "a; touch {}", "a`touch {}`", "a\ntouch {}", "a';touch {};'", 'a";touch {};"', "a|touch {}")


def blocks() -> dict[str, Any]:
    """A valid block of every group of params.yaml."""
    params = digits_params(60)
    return {
        "demo": params["demo"]["digits"],
        "datasets": params["datasets"]["digits"],
        "watched": {"dataset": "digits", "path": "data/raw"},
        "inputs": params["inputs"]["digits"],
        "experiments": experiment("small_cnn"),
        "derived": experiment("small_cnn") | {"from": "small", "use": "weights"},
        "external": {"experiment": "small", "dataset": "digits", "input": "digits"},
        "ensembles": ensemble("digits", ["small", "other"], {"draws": 200}),
    }


def poisoned(names: dict[str, list[str]]) -> dict[str, Any]:
    """Settings in which groups have blocks of these names too."""
    params, templates = digits_params(60), blocks()
    for group, block_names in names.items():
        params[group] = dict(params.get(group, {})) | {name: copy.deepcopy(templates[group]) for name in block_names}
    return params


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("stranger") / "project", digits_params(60))
    (project.home / "data" / "raw").mkdir(parents=True)
    for path in victims(project):
        path.mkdir(parents=True)
        (path / "precious.txt").write_text("x")
    return project


def victims(project: Project) -> list[Path]:
    """What a name must not lead to: folders with the endings that outputs have, in the project and beside it."""
    tops = [project.home / "data" / "victim", project.home.parent / "victim"]
    return [top / below for top in tops for below in (".", "train/model", "figures")]


def files(project: Project) -> set[str]:
    paths = (path.relative_to(project.home.parent) for path in project.home.parent.rglob("*"))
    own = {".dvc", ".git", ".site", "__pycache__"}
    return {str(path) for path in paths if not own & set(path.parts)}


def unharmed(project: Project, *command: str) -> str:
    """The command fails and leaves every file as it was; what it says."""
    before = files(project)
    done = project.python(*command, check=False)
    assert files(project) ^ before <= {"project/.gitignore"}, done
    return done


@pytest.mark.slow
@pytest.mark.parametrize("command", ["dvc", "keep-going", "run"])
def test_no_name_of_any_group_is_run_by_a_shell(project: Project, command: str) -> None:
    names = {group: [text.format(f"made-{group}-{n}") for n, text in enumerate(SHELL)] for group in FOLDERS}
    project.write(poisoned(names))
    calls = {"dvc": ["dvc", "repro"], "keep-going": ["dvc", "repro", "-k"], "run": ["scantune.cli", "run", "--all"]}
    text = unharmed(project, "-m", *calls[command])
    assert "params.yaml has" in text
    for group in FOLDERS:
        assert f"{group}." in text


def leading_to(group: str, victim: str) -> str:
    """The name whose output is ``victim`` below the project."""
    depth = FOLDERS[group].partition("{}")[0].count("/")
    return "../" * depth + victim


@pytest.mark.slow
@pytest.mark.parametrize("group", FOLDERS)
def test_no_name_removes_what_is_not_an_output(project: Project, group: str) -> None:
    project.write(poisoned({group: [leading_to(group, "data/victim")]}))
    text = unharmed(project, "-m", "dvc", "repro", "-fk")
    assert "params.yaml has" in text or "output paths" in text  # DVC's own refusal: two stages would write there


def test_dvc_alone_would_remove_it(project: Project) -> None:
    """The attack is one: ``--single-item`` leaves the check out, and DVC removes the folder before our code runs."""
    project.write(poisoned({"demo": [leading_to("demo", "data/victim")]}))
    project.python("-m", "dvc", "repro", "-f", "--single-item", "demo@../../data/victim", check=False)
    (gone, *_) = victims(project)
    assert not gone.exists()
    for path in victims(project):
        path.mkdir(parents=True, exist_ok=True)
        (path / "precious.txt").write_text("x")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["../../../victim", "/etc", "a/../../../data/victim", ".", "..", ""])
def test_names_that_lead_elsewhere_in_other_ways(project: Project, name: str) -> None:
    project.write(poisoned({"demo": [name], "inputs": [name]}))
    text = unharmed(project, "-m", "dvc", "repro", "-fk")
    assert "ERROR" in text or "fault" in text


VALUES = {
    "experiments.small.task.name": "../../victim; touch {}",
    "experiments.small.input": "../../data/victim",
    "experiments.small.dataset": "$(touch {})",
    "derived.tuned.from": "../../data/victim",
    "external.far.experiment": "a; touch {}",
    "external.far.input": "../../../victim",
    "external.far.dataset": "$(touch {})",
    "watched.more.dataset": "../../data/victim",
    "inputs.digits.dataset": "../../victim",
}


def with_values(values: dict[str, str]) -> dict[str, Any]:
    params = poisoned({"derived": ["tuned"], "external": ["far"], "watched": ["more"]})
    for key, value in values.items():
        block: Any = params
        *path, last = key.split(".")
        for part in path:
            block = block[part]
        block[last] = value.format("made-by-value")
    return params


def test_values_that_dvc_puts_into_paths_do_nothing(project: Project) -> None:
    project.write(with_values(VALUES))
    unharmed(project, "-m", "dvc", "repro", "-fk")


@pytest.mark.parametrize("key", VALUES)
def test_values_that_dvc_puts_into_paths_are_names(key: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(key.removesuffix(".name"))):
        parse(with_values({key: VALUES[key]}))


@pytest.fixture
def address() -> Iterator[tuple[str, list[str]]]:
    """A server on this machine, and what it was asked for."""
    paths: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", paths
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
@pytest.mark.parametrize("key", ["watch", "root"])
def test_no_address_is_asked(project: Project, address: tuple[str, list[str]], key: str) -> None:
    params = digits_params(60)
    params["datasets"]["digits"][key] = f"{address[0]}/cohort"
    project.write(params)
    text = unharmed(project, "-m", "dvc", "repro")
    assert f"datasets.digits.{key}" in text
    assert "addresses are not read" in text
    assert address[1] == []


def test_quick_holds_targets_and_no_options() -> None:
    for text in ("--cwd=/tmp", "-f", "train@a b", "../x/dvc.yaml:train@a"):
        with pytest.raises(ConfigError, match="quick"):
            parse(digits_params() | {"quick": [text]})


def test_no_command_of_dvc_yaml_has_a_value_of_params_yaml_in_it() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for name, stage in stages.items():
        assert "$" not in stage.get("do", stage)["cmd"], name


def test_every_stage_waits_for_the_check_of_the_settings() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert stages["settings"]["deps"] == ["params.yaml"]
    assert "data/settings.txt" in stages["code"]["deps"]
    for name in set(stages) - {"settings", "code"}:
        assert any(str(dep).startswith("data/code/") for dep in stages[name]["do"]["deps"]), name


@pytest.mark.parametrize(
    "stage", ["index", "preprocess", "split", "train", "external", "ensemble", "watched", "across"]
)
def test_a_stage_says_that_a_name_is_not_there(project: Project, stage: str) -> None:
    project.write(digits_params(60))
    with pytest.raises(ScantuneError, match=r"\.\./x"):
        run_stages(project.home, f"{stage} ../x")


def test_a_stage_that_has_no_such_name_shows_no_traceback(project: Project) -> None:
    project.write(digits_params(60))
    text = project.python("stages/demo.py", "../x", check=False)
    assert text.startswith("demo ../x: '../x' is not in demo of params.yaml. There are: digits")
    assert len(text.splitlines()) == 1
