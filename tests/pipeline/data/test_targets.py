"""A label that an experiment's task cannot take is told before anything is prepared: row, column, all at once."""

import numpy as np
import pytest

from scantune import io
from scantune.cohort.faults import CohortError
from scantune.config.dataset import TargetColumn
from scantune.config.load import parse
from scantune.pipeline.data.looked_up import number_targets, write_evaluations, write_kinds, write_words
from scantune.pipeline.data.targets import stricter
from tests.stages.conftest import run_stages

BRAINS = (
    "file,score,grade_a,grade_b\n0.png,12,0,3\n1.png,35,,7\n2.png,-1,1,ungradable\n3.png,n/a,4,2\n4.png,3-Feb,2.5,1\n"
)


def blocks(task: dict, targets: object) -> dict:
    trained = {"dataset": "d", "input": "d", "task": task, "model": {"backbone": "small_cnn"}}
    return {
        "datasets": {"d": {"root": "raw", "watch": "raw", "table": "t.csv", "files": "{file}", "targets": targets}},
        "inputs": {"d": {"dataset": "d", "modality": "image", "shape": [8, 8], "workers": 1}},
        "experiments": {"e": trained | {"train": {"epochs": 1}, "evaluate": {}, "register": {}}},
    }


@pytest.fixture
def faults(tmp_path):
    """Rows and columns that the preprocess stage complains of."""
    import yaml

    def call(task: dict, targets: object) -> list[tuple[int | None, str | None]]:
        settings = blocks(task, targets)
        parse(settings)
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings))
        rng = np.random.default_rng(0)
        for number in range(5):
            io.write_png(tmp_path / "raw" / f"{number}.png", rng.integers(0, 255, (8, 8), dtype=np.uint8))
        (tmp_path / "raw" / "t.csv").write_text(BRAINS)
        with pytest.raises(CohortError, match=r"experiments\.e") as caught:
            run_stages(tmp_path, "preprocess d")
        assert not (tmp_path / "data").exists()
        return [(fault.row, fault.column) for fault in caught.value.faults]

    return call


def test_scores_outside_the_task_s_range(faults):
    result = faults({"name": "regression", "target": "score", "range": [0, 34]}, {"score": "score"})
    assert result == [(3, "score"), (4, "score"), (6, "score")]


def test_a_dataset_s_own_narrower_range_still_holds(faults):
    task = {"name": "regression", "target": "score", "range": [0, 40]}
    result = faults(task, {"score": {"column": "score", "max": 10}})
    assert result == [(2, "score"), (3, "score"), (4, "score"), (6, "score")]


def test_grades_that_no_zone_has(faults):
    task = {"name": "zones", "zones": ["a", "b"], "grades": 4}
    result = faults(task, {"a": "grade_a", "b": "grade_b"})
    assert result == [(3, "grade_b"), (6, "grade_a")]  # empty, 4 and the word say ungradable


def test_classes_that_are_not_named(faults):
    task = {"name": "classification", "target": "b", "classes": [1, 2, 3]}
    assert faults(task, {"b": "grade_b"}) == [(3, "grade_b"), (4, "grade_b")]


@pytest.mark.parametrize(
    ("task", "targets", "kinds"),
    [
        ({"name": "classification", "target": "score"}, ["score"], {"score": False}),
        (
            {"name": "classification", "target": "score"},
            {"score": {"column": "score", "number": True}},
            {"score": False},
        ),
        ({"name": "regression", "target": "score"}, ["score", "grade_a"], {"score": True}),
    ],
)
def test_a_target_of_a_classification_has_classes_even_where_they_are_numbers(task, targets, kinds):
    assert number_targets(parse(blocks(task, targets)), "d") == kinds


@pytest.mark.parametrize(
    ("first", "second", "left"),
    [([1, 0, -1], [0.0, 1.0], [1, 0]), (["0", "1.0"], [0.0, 1.0], ["0", "1.0"]), (["mild", "no"], ["no"], ["no"])],
)
def test_values_that_two_tasks_allow_are_compared_as_numbers(first, second, left):
    assert stricter(TargetColumn(column="t", values=first), {"values": second}).values == left


def test_the_file_that_a_split_depends_on_changes_with_the_kind_of_a_target_alone(tmp_path):
    def written(task: dict[str, object], **train: object) -> str:
        settings = blocks(task, ["score"])
        settings["experiments"]["e"]["train"] = train
        write_kinds(parse(settings), tmp_path)
        return (tmp_path / "d.csv").read_text()

    classes = {"name": "classification", "target": "score"}
    assert written(classes) == written(classes, epochs=3) == "target,kind\nscore,class\n"
    assert written({"name": "regression", "target": "score"}) == "target,kind\nscore,number\n"


@pytest.mark.parametrize(
    ("classes", "words"),
    [(["NA", "x"], "score,NA\n"), (["a", "x"], ""), (None, ""), (["none", "NaN"], "score,NaN\nscore,none\n")],
)
def test_the_file_that_a_preparation_depends_on_has_the_words_for_an_empty_cell_that_are_classes(
    tmp_path, classes, words
):
    settings = blocks({"name": "classification", "target": "score", "classes": classes}, ["score"])
    write_words(parse(settings), tmp_path)
    assert (tmp_path / "d.csv").read_text() == "target,word\n" + words


@pytest.mark.slow
def test_samples_of_a_class_named_as_an_empty_cell_are_kept_and_that_changes_the_file(tmp_path):
    import yaml

    rng = np.random.default_rng(0)
    for number in range(4):
        io.write_png(tmp_path / "raw" / f"{number}.png", rng.integers(0, 255, (8, 8), dtype=np.uint8))
    (tmp_path / "raw" / "t.csv").write_text("file,kind\n0.png,NA\n1.png,x\n2.png,NA\n3.png,y\n")
    seen = {}
    for classes in (None, ["NA", "x", "y"]):
        task = {"name": "classification", "target": "kind", "classes": classes}
        settings = blocks(task, {"kind": {"column": "kind", "missing": "exclude"}})
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings))
        run_stages(tmp_path, "preprocess d")
        write_words(parse(settings), tmp_path / "words")
        manifest = (tmp_path / "data/cache/d/manifest.csv").read_text().splitlines()
        seen[(tmp_path / "words" / "d.csv").read_text()] = len(manifest) - 1
    assert list(seen.values()) == [2, 4]


def test_the_file_that_an_external_validation_depends_on_changes_with_task_and_evaluation_alone(tmp_path):
    def written(task: dict[str, object], **changed: dict[str, object]) -> str:
        settings = blocks(task, ["score"])
        settings["experiments"]["e"] |= changed
        write_evaluations(parse(settings), tmp_path)
        return (tmp_path / "e.json").read_text()

    task = {"name": "classification", "target": "score"}
    plain = written(task)
    assert plain == written(task, train={"epochs": 3}, model={"backbone": "resnet18"})
    assert len({plain, written(task, evaluate={"draws": 300}), written(task | {"positive": 1})}) == 3
