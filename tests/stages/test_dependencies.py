"""A changed key of any block, in any group of ``params.yaml``, is a new run for the stages that use it and no others.

What is compared is what DVC's run cache looks a stage up by, made by DVC's own functions: two settings of one such key
would give each other's outputs.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import yaml
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo
from dvc.stage.cache import _get_cache_hash

from scantune import files
from scantune.config.base import Block
from scantune.config.load import _members
from scantune.config.params import Params
from tests.stages.conftest import ROOT, grouped_params

#: Pattern of a key's path to the stages that must see it, the first that matches; what stands nowhere is for all runs.
SEEN_BY = {
    r"demo\.digits\..+": {"demo@digits"},
    r"datasets\.digits\..+": {"index@digits", "preprocess@digits", "split@digits"},
    r"watched\.labels\..+": {"watched@labels"},
    r"inputs\.digits\..+": {"preprocess@digits"},  # its input.json, which trainings depend on, is tested below
    r"experiments\.small\.(description|search\..+)": set(),
    r"experiments\.small\.(dataset|input)": {"train@small", "evaluate@small"},
    r"experiments\.small\.task\.name": {"train@small", "evaluate@small", "register@small"},
    r"experiments\.small\.task\..+": {"train@small", "evaluate@small"},  # external@small_far by a file, see below
    r"experiments\.small\.(model|train)\..+": {"train@small"},
    r"experiments\.small\.evaluate\..+": {"evaluate@small"},
    r"experiments\.small\.register\..+": {"register@small"},
    r"derived\.tuned\.(description|search\..+)": set(),
    r"derived\.tuned\.(dataset|input)": {"train-derived@tuned", "evaluate-derived@tuned"},
    r"derived\.tuned\.(from|use|(model|train)\..+)": {"train-derived@tuned"},
    r"derived\.tuned\.task\.name": {"train-derived@tuned", "evaluate-derived@tuned", "register-derived@tuned"},
    r"derived\.tuned\.task\..+": {"train-derived@tuned", "evaluate-derived@tuned"},
    r"derived\.tuned\.evaluate\..+": {"evaluate-derived@tuned"},
    r"derived\.tuned\.register\..+": {"register-derived@tuned"},
    r"map_checks\.seed\..+": {"map-check@seed"},
    r"external\.small_far\..+": {"external@small_far", "across@small_far"},
    r"external_ensembles\.both_far\..+": {"external-ensemble@both_far", "across-ensemble@both_far"},
    r"ensembles\.both\.description": set(),
    r"ensembles\.both\.(dataset|input)": {"ensemble@both", "evaluate-ensemble@both"},
    r"ensembles\.both\.members": {"ensemble@both"},
    r"ensembles\.both\.evaluate\..+": {"evaluate-ensemble@both"},
    r"ensembles\.both\.register\..+": {"register-ensemble@both"},
    r"ensemble_members\.both_small\..+": {"ensemble-member@both_small"},
}
#: Keys that dvc.yaml looks up in a block, so that paths of files depend on them, and another value.
LOOKED_UP = {
    r"datasets\.digits\.watch": "elsewhere",
    r"watched\.labels\.path": "elsewhere",
    r"external\.small_far\.(dataset|input)": "digits",
    r"external_ensembles\.both_far\.(dataset|input)": "digits",
    r"external_ensembles\.both_far\.ensemble": "other",
    r".+\.(dataset|input)": "far",
    r".+\.(experiment|from)": "other",
    r"ensemble_members\..+\.member": "tuned",
    r"ensemble_members\..+\.ensemble": "other",
    r".+\.task\.name": "regression",
}
NAMES = {"demo": "digits", "datasets": "digits", "watched": "labels", "inputs": "digits", "experiments": "small"} | {
    "derived": "tuned", "map_checks": "seed", "external": "small_far", "ensembles": "both",
    "ensemble_members": "both_small", "external_ensembles": "both_far",
}  # fmt: skip


def params() -> dict:
    content = json.loads(json.dumps(grouped_params()))  # nothing shared between blocks
    content["watched"] = {"labels": {"dataset": "digits", "path": "labels.csv"}}
    content["map_checks"] = {"seed": {"experiment": "small", "from": "small", "use": "another_seed"}}
    content["external_ensembles"] = {"both_far": {"ensemble": "both", "dataset": "far", "input": "far"}}
    return content


def keys_of(block: Any, path: str) -> Iterator[str]:
    """Paths of all keys of a block and of the blocks in it; a union's blocks one after another."""
    for name, field in block.model_fields.items():
        place = f"{path}.{field.alias or name}"
        below = set(_blocks(field.annotation))
        for inner in sorted(below, key=lambda one: one.__name__):
            yield from keys_of(inner, place)
        if not below:
            yield place


def _blocks(annotation: Any) -> Iterator[type[Block]]:
    for member in _members(annotation):
        if isinstance(member, type) and issubclass(member, Block):
            yield member


def every_key() -> list[str]:
    """Of one block of each group."""
    result: dict[str, None] = {}
    for group, name in NAMES.items():
        (values,) = typing.get_args(Params.model_fields[group].annotation)[1:]
        for block in _blocks(values):
            result |= dict.fromkeys(keys_of(block, f"{group}.{name}"))
    return list(result)


def changed(path: str) -> dict:
    """The settings with another value at ``path``; DVC does not ask whether it is a right one."""
    settings = params()
    *parents, last = path.split(".")
    place: Any = settings
    for part in parents:
        if not isinstance(place.get(part), dict):
            place[part] = {}
        place = place[part]
    place[last] = next((value for pattern, value in LOOKED_UP.items() if re.fullmatch(pattern, path)), "changed")
    return settings


class Pipeline:
    """The stages of dvc.yaml, read once; again where a key decides on their files."""

    def __init__(self, home: Path) -> None:
        self.home = home
        Repo.init(str(home), no_scm=True)
        shutil.copy(ROOT / "dvc.yaml", home)
        self.write(params())
        self.stages = self.read()

    def write(self, settings: dict) -> None:
        (self.home / "params.yaml").write_text(
            yaml.dump(settings, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))
        )

    def read(self) -> list[Any]:
        with Repo(str(self.home)) as repo:
            return list(repo.index.stages)

    def before(self, name: str) -> set[str]:
        """The stages that run before one."""
        with Repo(str(self.home)) as repo:
            graph = repo.index.graph
            (stage,) = (stage for stage in graph if stage.name == name)
            return {before.name for before in nx.descendants(graph, stage)}

    def keys(self, settings: dict, *, anew: bool = False) -> dict[str, str]:
        """Stage to what the run cache looks it up by, but for the content of its files."""
        if anew:
            self.write(settings)
            stages = self.read()
            self.write(params())  # the next test may ask about the settings as they are
        else:
            stages = self.stages
        return {stage.name: _key(stage, settings) for stage in stages}


def _key(stage: Any, settings: dict) -> str:
    params = [path for dep in stage.deps if isinstance(dep, ParamsDependency) for path in dep.params]
    files = [dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)]
    values = {
        path: functools.reduce(lambda block, key: block.get(key, {}), path.split("."), settings) for path in params
    }
    outs = [{"path": out.def_path} for out in stage.outs]
    return _get_cache_hash({"cmd": stage.cmd, "deps": files, "params": {"params.yaml": values}, "outs": outs}, key=True)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory) -> Pipeline:
    return Pipeline(tmp_path_factory.mktemp("dependencies"))


@pytest.mark.slow
def test_every_key_is_seen_by_the_stages_that_use_it_and_no_others(pipeline):
    before = pipeline.keys(params())
    wrong = {}
    known = every_key()
    assert len(known) > 250
    for path in known:
        anew = any(re.fullmatch(pattern, path) for pattern in LOOKED_UP)
        after = pipeline.keys(changed(path), anew=anew)
        seen = {name for name in before if before[name] != after.get(name)}
        expected = next(stages for pattern, stages in SEEN_BY.items() if re.fullmatch(pattern, path))
        if seen != expected:
            wrong[path] = (sorted(seen), sorted(expected))
    assert wrong == {}


def test_a_split_depends_on_which_targets_are_numbers(pipeline):
    (split,) = (stage for stage in pipeline.stages if stage.name == "split@digits")
    assert "data/targets/digits.csv" in {dep.def_path for dep in split.deps}
    assert "settings" in pipeline.before("split@digits")


@pytest.mark.parametrize("name", ["preprocess@digits", "split@digits"])
def test_what_reads_the_table_depends_on_which_words_for_an_empty_cell_are_classes(pipeline, name):
    (found,) = (stage for stage in pipeline.stages if stage.name == name)
    assert "data/targets/words/digits.csv" in {dep.def_path for dep in found.deps}
    assert "settings" in pipeline.before(name)


def test_an_external_validation_depends_on_the_task_and_the_evaluation_of_its_model(pipeline):
    (external,) = (stage for stage in pipeline.stages if stage.name == "external@small_far")
    assert "data/evaluations/small.json" in {dep.def_path for dep in external.deps}
    assert "settings" in pipeline.before("external@small_far")


def test_what_is_for_all_runs_and_for_the_terminal_makes_nothing_anew(pipeline):
    before = pipeline.keys(params())
    assert pipeline.keys(params() | {"tracking": {"enabled": False, "require": False}, "quick": []}) == before


def test_a_file_of_settings_needs_only_the_groups_that_it_uses(pipeline):
    pipeline.write({group: params()[group] for group in ("datasets", "inputs", "experiments")})
    try:
        names = {stage.name for stage in pipeline.read()}
    finally:
        pipeline.write(params())
    assert {"train@small", "evaluate@small", "register@small"} <= names
    assert not {name for name in names if name.startswith(("demo@", "external", "train-derived@"))}


def test_an_evaluation_waits_for_the_networks_that_its_maps_are_tested_by_and_for_no_others(pipeline):
    settings = params()
    settings["map_checks"]["outlines"] = {"experiment": "small", "from": "other", "use": "segmentation"}
    pipeline.write(settings)
    try:
        before = pipeline.before("evaluate@small")
        assert {"map-check@seed", "map-check@outlines", "train@small", "train@other"} <= before
        assert not {name for name in pipeline.before("evaluate@other") if name.startswith("map-check")}
        assert not {name for name in before if name.startswith("index")} - {"index@digits"}
    finally:
        pipeline.write(params())


def test_an_ensemble_waits_for_its_members_and_what_they_need_and_for_nothing_else(pipeline):
    before = {name for name in pipeline.before("register-ensemble@both") if not name.startswith(("settings", "code"))}
    shared = {f"{stage}@digits" for stage in ("demo", "index", "watched", "preprocess", "split")}
    shared = {name for name in shared | {"watched@labels"} if name in {s.name for s in pipeline.stages}}
    models = {f"{stage}@{name}" for stage in ("train", "ensemble-member") for name in ("small", "other")}
    models = {name.replace("member@", "member@both_") for name in models}
    assert before == shared | models | {"ensemble@both", "evaluate-ensemble@both"}


def test_a_file_that_a_kill_left_half_is_part_of_no_dependency(tmp_path, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    Repo.init(str(tmp_path), no_scm=True)
    shutil.copy(ROOT / ".dvcignore", tmp_path)
    folder = tmp_path / "data/index/digits"
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", killed)
        patched.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            files.write_text(folder / "root.csv", "half")
    (left,) = folder.iterdir()
    with Repo(str(tmp_path)) as repo:
        assert repo.dvcignore.is_ignored_file(str(left))
        assert not repo.dvcignore.is_ignored_file(str(folder / "root.csv"))
