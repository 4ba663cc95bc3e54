"""The networks of an experiment: where a derived one starts."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scantune.pipeline.train import networks, suitability
from scantune.records import ScantuneError
from scantune.tasks.build import build_task
from scantune.tasks.catalogue import settings_of
from scantune.tasks.classification.settings import Classification
from scantune.tasks.classification.task import ClassificationTask


@pytest.mark.parametrize("members", [1, 3])
def test_that_a_derived_one_has_the_first_of_several_networks_is_told(
    members: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    facts = SimpleNamespace(members=members, name="small", input={}, task={"name": "classification"})
    monkeypatch.setattr("scantune.registry.model.read_facts", lambda folder: facts)
    monkeypatch.setattr("scantune.registry.model.load_networks", lambda folder, facts: list(range(members)))
    monkeypatch.setattr("scantune.preprocess.agreement.check_model", lambda *_: None)
    monkeypatch.setattr(networks, "refuse_others", lambda *_: None)
    monkeypatch.setattr(networks, "_refuse_other_answers", lambda *_: None)
    plan: Any = SimpleNamespace(key="student", start=Path("model"), use="teacher", sides=SimpleNamespace(cache=Path()))
    with caplog.at_level(logging.WARNING):
        assert networks.start_of(plan, "teacher") == 0
    told = "derived.student: learns from the first of the 3 networks of 'small'"
    assert caplog.messages == ([told] if members > 1 else [])


@pytest.mark.parametrize(
    ("task", "classes", "refused"),
    [
        ({"name": "classification", "target": "kind"}, ("cat", "dog"), ""),
        ({"name": "classification", "target": "kind"}, ("dog", "cat"), "classification (dog, cat)"),
        ({"name": "multilabel", "findings": ["cat", "dog"]}, None, "multilabel (cat, dog)"),
        ({"name": "regression", "target": "age"}, None, "regression (one output of age)"),
    ],
)
def test_a_teacher_of_other_answers_is_refused(
    task: dict[str, Any], classes: tuple[str, ...] | None, refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = SimpleNamespace(members=1, name="small", input={}, task=task, classes=classes, loss="cross_entropy")
    monkeypatch.setattr("scantune.registry.model.read_facts", lambda folder: facts)
    monkeypatch.setattr("scantune.registry.model.load_networks", lambda folder, facts: [0])
    monkeypatch.setattr("scantune.preprocess.agreement.check_model", lambda *_: None)
    monkeypatch.setattr(networks, "refuse_others", lambda *_: None)
    own = ClassificationTask("label", ("cat", "dog"))
    sides = SimpleNamespace(cache=Path())
    block = SimpleNamespace(task=Classification(target="label"))
    plan: Any = SimpleNamespace(key="student", start=Path("model"), use="teacher", sides=sides, task=own, block=block)
    if not refused:
        assert networks.start_of(plan, "teacher") == 0
        return
    with pytest.raises(ScantuneError, match=re.escape(f"'small' are those of {refused}")):
        networks.start_of(plan, "teacher")


@pytest.mark.parametrize(
    ("theirs", "classes", "ours", "refused"),
    [
        (
            {"name": "regression", "target": "score"},
            None,
            {"name": "regression", "target": "age"},
            "one output of score",
        ),
        ({"name": "regression", "target": "age"}, None, {"name": "regression", "target": "age"}, ""),
        (
            {"name": "classification", "target": "edema"},
            ("0", "1"),
            {"name": "classification", "target": "effusion"},
            "0, 1 of edema",
        ),
    ],
)
def test_a_teacher_of_another_target_is_refused_where_the_answers_do_not_tell(theirs, classes, ours, refused) -> None:
    facts: Any = SimpleNamespace(name="small", task=theirs, classes=classes, loss=None)
    settings = settings_of(ours)
    task = build_task(settings, classes=classes, loss=None)
    plan: Any = SimpleNamespace(key="student", task=task, block=SimpleNamespace(task=settings))
    if not refused:
        networks._refuse_other_answers(plan, facts)
        return
    with pytest.raises(ScantuneError, match=re.escape(refused)):
        networks._refuse_other_answers(plan, facts)


@pytest.mark.parametrize(
    ("target", "ranges", "new"),
    [("score", (None, None), False), ("age", (None, None), True), ("age", ([0, 34], [0, 100]), False)],
)
def test_a_number_of_another_target_has_a_new_output_layer_in_its_units(target, ranges, new, monkeypatch) -> None:
    import numpy as np
    import torch

    from scantune import models

    theirs, ours = (
        settings_of({"name": "regression", "target": name, "range": limits})
        for name, limits in zip(("score", target), ranges, strict=True)
    )
    ages = np.array([[40.0], [60.0], [80.0]], np.float32)
    monkeypatch.setattr(networks, "encode", lambda side, task: ages)
    backbone = models.build("small_cnn", modality="image", seed=1)
    head = build_task(theirs, loss="mse").head(backbone.feature_dim, np.array([[4.0], [8.0], [12.0]], np.float32))
    network = models.Network(backbone, head).eval()
    facts: Any = SimpleNamespace(name="loes", task=theirs.model_dump(), classes=None, loss="mse")
    sides = SimpleNamespace(side=lambda name: None)
    task = build_task(ours, loss="mse")
    plan: Any = SimpleNamespace(key="x", task=task, block=SimpleNamespace(task=ours), spec={"name": "mse"}, sides=sides)
    image = torch.zeros(1, 1, 16, 16)
    before = float(network(image).detach())
    networks._fit_output(network, facts, plan, seed=0)
    after = float(network(image).detach())
    if new:
        assert any(float(part.mean) == 60 for part in network.modules() if type(part).__name__ == "Rescale")
    else:
        assert after == pytest.approx(before * (100 / 34 if ranges[0] else 1), rel=1e-4)


@pytest.mark.parametrize(
    ("task", "targets", "why"),
    [
        ({"name": "regression", "target": "a"}, {"a": ["5", "5"]}, "all training samples have the same target"),
        ({"name": "regression", "target": "a"}, {"a": ["5", "6"]}, ""),
        ({"name": "classification", "target": "a", "classes": ["n", "y"]}, {"a": ["y", "y"]}, "the same target"),
        ({"name": "multilabel", "findings": ["a", "b"]}, {"a": ["1", "1"], "b": ["0", ""]}, "the same target"),
        ({"name": "multilabel", "findings": ["a", "b"]}, {"a": ["1", "1"], "b": ["0", "1"]}, ""),
        (
            {"name": "survival", "time": "a", "event": "b"},
            {"a": ["1", "2"], "b": ["0", "0"]},
            "has the event",
        ),
        ({"name": "survival", "time": "a", "event": "b"}, {"a": ["1", "2"], "b": ["0", "1"]}, ""),
    ],
)
def test_a_training_side_that_teaches_nothing_is_refused_before_the_first_step(task, targets, why) -> None:
    settings: Any = settings_of(task)
    built = build_task(settings, classes=task.get("classes"), loss=settings.default_loss)
    side: Any = [
        SimpleNamespace(sample_id=str(i), targets={name: cells[i] for name, cells in targets.items()}, groups={})
        for i in range(2)
    ]
    train = SimpleNamespace(scanner_consistency=None, partners=None, distillation=None)
    plan: Any = ("x", SimpleNamespace(task=settings, train=train), "image", built)
    if not why:
        suitability.check_side(*plan, side)
        return
    with pytest.raises(ScantuneError, match=f"x: .*{re.escape(why)}.*nothing can be learned"):
        suitability.check_side(*plan, side)
    train.distillation = SimpleNamespace(weight=0.5)  # a teacher's answers differ where targets do not
    suitability.check_side(*plan, side)


@pytest.mark.parametrize(
    ("task", "encoded", "told"),
    [
        ({"name": "classification", "target": "a", "classes": ["n", "m", "y"]}, [0, 1, 1], "lack: class y;"),
        ({"name": "classification", "target": "a", "classes": ["n", "m", "y"]}, [0, 1, 2], ""),
        ({"name": "multilabel", "findings": ["a", "b"]}, [[0, 1], [-1, 0], [0, 1]], "lack: a;"),
        ({"name": "zones", "zones": ["u", "v"]}, [[0, 1], [2, 1], [0, 1]], "lack: v;"),
        ({"name": "zones", "zones": ["u"]}, [[1], [2], [1]], ""),
        ({"name": "regression", "targets": ["a", "b"]}, [[0.5, 1], [2, 1], [0, 1]], "lack: b;"),
        ({"name": "regression", "target": "a"}, [[0.5], [2]], ""),
        ({"name": "survival", "time": "a", "event": "b", "cuts": [1, 2], "horizons": [1]}, [[0.5, 1], [2, 1]], ""),
    ],
)
def test_what_a_training_side_cannot_teach_is_told(task, encoded, told, monkeypatch, caplog) -> None:
    import numpy as np

    settings: Any = settings_of(task)
    loss = "discrete_hazard" if task["name"] == "survival" else settings.default_loss
    built = build_task(settings, classes=task.get("classes"), loss=loss)
    monkeypatch.setattr(suitability, "encode", lambda side, task: np.array(encoded))
    train: Any = SimpleNamespace(scanner_consistency=None, partners=None, distillation=None)
    block: Any = SimpleNamespace(task=settings, train=train)
    suitability.check_side("x", block, "image", built, [])  # type: ignore[arg-type]
    assert told in caplog.text
    assert bool(caplog.records) is bool(told)


@pytest.mark.parametrize(
    ("folds", "names", "keys"),
    [(2, ("fold_1", "fold_2"), ["x, fold 1", "x, fold 2"]), (0, ("seed_1", "seed_2"), ["x"]), (0, ("",), ["x"])],
)
def test_a_training_side_is_told_by_its_fold_and_that_of_all_seeds_once(folds, names, keys, monkeypatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(networks, "check_side", lambda key, *_: told.append(key))
    block = SimpleNamespace(train=SimpleNamespace(folds=folds))
    plan: Any = SimpleNamespace(key="x", block=block, input=SimpleNamespace(modality="image"), task=None)
    members: Any = [SimpleNamespace(name=name, train=[]) for name in names]
    networks._check_sides(plan, members)
    assert told == keys


@pytest.mark.parametrize(
    ("texts", "refused"), [(["", ""], True), (["ignored=9", ""], True), (["", "1=40"], False), ([None, None], False)]
)
def test_training_masks_that_mark_nothing_are_refused(texts, refused, monkeypatch) -> None:
    monkeypatch.setattr(suitability, "encode", lambda side, task: None)
    rows = [{} if text is None else {"mask_labels": text} for text in texts]
    side: Any = [SimpleNamespace(row=row, mask_from="", groups={}) for row in rows]
    block = SimpleNamespace(train=SimpleNamespace(scanner_consistency=None, partners=None, distillation=None))
    plan: Any = ("x", block, "image", None)
    if not refused:
        suitability.check_side(*plan, side)
        return
    with pytest.raises(ScantuneError, match="x: no mask of the training samples marks anything"):
        suitability.check_side(*plan, side)


@pytest.mark.parametrize(
    ("target", "classes", "new"),
    [("oedema", ("0", "1"), False), ("effusion", ("0", "1"), True), ("effusion", ("none", "mild"), False)],
)
def test_classes_0_and_1_of_another_target_have_a_new_output_layer(target, classes, new, monkeypatch) -> None:
    import torch

    from scantune import models

    theirs, ours = (settings_of({"name": "classification", "target": name}) for name in ("oedema", target))
    monkeypatch.setattr(networks, "encode", lambda side, task: None)
    task = build_task(ours, classes=classes, loss="cross_entropy")
    backbone = models.build("small_cnn", modality="image", seed=1)
    network = models.Network(backbone, task.head(backbone.feature_dim, None)).eval()
    facts: Any = SimpleNamespace(name="films", task=theirs.model_dump(), classes=classes, loss="cross_entropy")
    sides = SimpleNamespace(side=lambda name: None)
    plan: Any = SimpleNamespace(key="x", task=task, block=SimpleNamespace(task=ours), spec={"name": "ce"}, sides=sides)
    image = torch.ones(1, 1, 16, 16)
    before = network(image).detach()
    networks._fit_output(network, facts, plan, seed=0)
    assert torch.equal(network(image).detach(), before) is not new


def test_outputs_have_no_half_file_and_no_member_of_a_former_training(tmp_path):
    state, out = tmp_path / "state", tmp_path / "out"
    home = state / "member" / "out"
    (home / "checkpoints").mkdir(parents=True)
    for name in ("best.safetensors", ".best.safetensors.0123.partial"):
        (home / "checkpoints" / name).write_bytes(b"0")
    for name, text in (("history.json", "{}"), ("history.csv", "epoch\n1\n"), ("steps.csv", "step\n1\n")):
        (home / name).write_text(text)
    (out / "checkpoints" / "seed_43").mkdir(parents=True)
    networks._collect(state, out, [""])
    assert [path.name for path in (out / "checkpoints").rglob("*")] == ["best.safetensors"]
