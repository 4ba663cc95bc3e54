"""What the classes and levels of the data make wrong or idle is told before the training."""

from types import SimpleNamespace

import pytest

from scantune.config.params import ExperimentConfig
from scantune.pipeline.train.augmentation import settled
from scantune.pipeline.train.suitability import copies, mirrored_sides, notes, refuse
from scantune.records import ScantuneError
from scantune.tasks.build import build_task

CLASSES = {"name": "classification", "target": "grade"}


def experiment(task, train=(), evaluate=(), model=()):
    return ExperimentConfig(
        dataset="d",
        input="d",
        task=task,
        model={"backbone": "small_cnn", **dict(model)},
        train={"epochs": 3, **dict(train)},
        evaluate={**dict(evaluate)},
        register={},
    )


def task_of(block, classes=None):
    return build_task(block.task, classes=classes, loss="cross_entropy", calibration="none", miscoverage=0.1)


def sides(**levels):
    """A test side whose members have these levels of groups."""
    columns = list(levels)
    members = [SimpleNamespace(groups=dict(zip(columns, row))) for row in zip(*levels.values())]
    return SimpleNamespace(side=lambda name: members if name == "test" else [])


def check(block, classes, test=None):
    refuse(block, "image", task_of(block, classes), classes, test or sides())


@pytest.mark.parametrize(
    ("augment", "names", "expected"),
    [
        ({"flip_left_right": 0.5}, ["left_kidney", "right_kidney"], 1),
        ({"flip_left_right": 0.5}, ["vessel", "lens"], 0),
        ({"flip_left_right": 0.0, "rotation": 5}, ["left_kidney", "right_kidney"], 0),
        ({"flip_left_right": 0.5, "enabled": False}, ["left_kidney", "right_kidney"], 0),
        ({"default": True}, ["left_kidney", "right_kidney"], 0),  # the usual set leaves mirrors out there
        ({}, ["left_kidney", "right_kidney"], 0),
    ],
)
@pytest.mark.parametrize("kind", ["masks", "classes"])
def test_training_that_mirrors_left_and_right_is_noted(kind, augment, names, expected):
    if kind == "masks":
        block, classes = (
            experiment({"name": "segmentation", "classes": ["background", *names]}, {"augment": augment}),
            None,
        )
    else:
        block, classes = experiment(CLASSES, {"augment": augment}), tuple(names)
    for modality in ("image", "volume"):
        if (kind, augment) == ("masks", {"default": True}):
            continue
        found = mirrored_sides(block, modality, task_of(block, classes))
        assert len(found) == expected
        assert all("train.augment.flip_left_right" in note for note in found)


@pytest.mark.parametrize(
    ("task", "noted"),
    [
        ({"findings": ["edema_left", "edema_right"]}, 0),  # they change places
        ({"findings": ["edema_left", "edema_right", "effusion_right"]}, 1),
        ({"findings": ["edema_left", "effusion_right"], "sides": {}}, 0),  # stated
        ({"findings": ["edema", "effusion"]}, 0),
    ],
)
def test_findings_of_one_side_that_no_other_takes_the_place_of_are_noted(task, noted):
    block = experiment({"name": "multilabel", **task}, {"augment": {"flip_left_right": 0.5}})
    assert len(mirrored_sides(block, "image", task_of(block))) == noted
    usual = settled({"default": True}, task_of(block))
    assert ("flip_left_right" in usual) is bool(noted)


def test_zones_change_places_when_mirrored_and_are_not_noted():
    block = experiment({"name": "zones"}, {"augment": {"flip_left_right": 0.5}})
    assert mirrored_sides(block, "image", task_of(block)) == []


def test_degraded_copies_need_an_order_of_the_classes():
    block = experiment(CLASSES, {"partners": {}})
    check(block, ("0", "1"))
    check(experiment({**CLASSES, "classes": ["poor", "good"]}, {"partners": {}}), ("poor", "good"))
    with pytest.raises(ScantuneError, match=r"the last class, 'poor' by the alphabet, .* task\.classes, the best last"):
        check(block, ("good", "poor"))
    with pytest.raises(ScantuneError, match=r"train\.partners: of the 3 classes cat, dog, fox none is above another"):
        check(block, ("cat", "dog", "fox"))
    check(experiment({**CLASSES, "ordinal": True}, {"partners": {}}), ("0", "1", "2"))


def test_copies_that_would_only_be_mirrored_are_refused_where_classes_have_sides():
    block = experiment(CLASSES, {"augment": {"flip_left_right": 0.5}, "test_time_augmentation": 2})
    check(block, ("calm", "busy"))
    with pytest.raises(ScantuneError, match=r"train\.test_time_augmentation: 2 copies, .* swap left and right"):
        check(block, ("kidney left", "kidney right"))
    block = experiment(CLASSES, {"augment": {"flip_left_right": 0.5, "rotation": 9}, "test_time_augmentation": 2})
    check(block, ("kidney left", "kidney right"))


def test_a_case_mix_of_other_levels_is_told_before_the_training():
    test = sides(sex=["F", "M", ""], age=["70", "064Y", "30"])
    check(experiment(CLASSES, evaluate={"case_mix": {"sex": {"F": 0.5, "M": 0.4, "unknown": 0.1}}}), ("a", "b"), test)
    ages = {"40–<65": 0.3, "65–<80": 0.3, "18–<40": 0.4}
    check(experiment(CLASSES, evaluate={"case_mix": {"age": ages}}), ("a", "b"), test)
    for mix, why in (({"F": 0.5, "M": 0.5}, "unknown has no share"), ({"f": 0.5, "M": 0.5}, "f is no level")):
        with pytest.raises(ScantuneError, match=rf"evaluate\.case_mix: case mix of sex: {why}"):
            check(experiment(CLASSES, evaluate={"case_mix": {"sex": mix}}), ("a", "b"), test)


def test_the_class_of_the_masks_is_one_of_the_data():
    block = experiment(CLASSES, evaluate={"saliency": {"mask_class": "tumor"}})
    check(block, ("healthy", "tumor"))
    with pytest.raises(ScantuneError, match=r"saliency\.mask_class: there is no 'tumor' .*did you mean 'tumour'\?"):
        check(block, ("healthy", "tumour"))


@pytest.mark.parametrize(
    ("freezing", "noted"),
    [
        ("backbone", "freeze_backbone"),
        ({"freeze_ratio": 0.5}, "freeze_ratio"),
        ({"freeze_layers": 2}, "freeze_layers"),
        ({"num_unfrozen_layers": 1}, "num_unfrozen_layers"),
        ({"freeze_layers": 0}, None),
        ("gradual", None),
        ("head_first", None),
        ("none", None),
    ],
)
def test_layers_that_stay_random_are_noted(freezing, noted):
    def found(**model):
        block = experiment(CLASSES, {"freezing": freezing, "epochs": 8}, model={"backbone": "resnet18", **model})
        task = task_of(block, ("a", "b"))
        assert not [n for n in notes(block, "image", task, starts_trained=True) if "at random" in n]
        return [n for n in notes(block, "image", task, starts_trained=False) if "at random" in n]

    assert [n.split(":")[0] for n in found()] == ([] if noted is None else [f"train.freezing.{noted}"])
    assert found(weights="imagenet") == []


@pytest.mark.parametrize(
    ("modality", "stated", "made"),
    [("image", 3, 3), ("image", 4, 3), ("image", True, 3), ("volume", 7, 7), ("volume", 20, 7), ("image", 0, 0)],
)
def test_a_mask_has_no_more_copies_than_mirror_images_and_that_is_noted(modality, stated, made):
    block = experiment({"name": "segmentation"}, {"test_time_augmentation": stated}, model={"backbone": "unet"})
    task = task_of(block)
    assert copies(block, modality, task) == made
    surplus = [n for n in notes(block, modality, task, starts_trained=False) if "mirror images" in n]
    assert len(surplus) == (block.train.test_time_augmentation > made)
    assert all(f"{made} are averaged" in n for n in surplus)
    number = experiment(CLASSES, {"test_time_augmentation": 20})
    assert copies(number, modality, task_of(number, ("a", "b"))) == 20
