"""References for maps: masks by zone, class and structure, networks trained again, a segmentation network."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from scantune import models
from scantune.cohort.manifest import Sample
from scantune.explain.sanity import Question
from scantune.pipeline.data import datasets as samples_of
from scantune.pipeline.data.sides import Side
from scantune.pipeline.maps import masks as mapmasks
from scantune.pipeline.maps import retraining, saliency
from scantune.pipeline.maps.others import OtherNetwork
from scantune.pipeline.maps.request import MapRequest
from scantune.pipeline.predictions import task_of
from scantune.preprocess import store
from scantune.records import ScantuneError
from scantune.registry.model import ModelFacts, load_networks, save_model
from scantune.tasks import errors
from scantune.tasks.classification.settings import Classification
from scantune.tasks.regression.settings import Regression
from scantune.tasks.segmentation.settings import Segmentation
from scantune.tasks.zones.settings import Zones
from tests.pipeline.conftest import N, make, settings
from tests.stages.conftest import digits_params, experiment, run_stages


def request_of(home: Path, modality: str, schema: Any, targets: list[dict[str, str]], block: Any, **facts: Any) -> Any:
    sides, model_facts, folder, table = make(home, modality, schema, targets, **facts)
    networks = load_networks(folder, model_facts)
    expected = MapRequest(networks, model_facts, task_of(schema, model_facts), block, torch.device("cpu"))
    return expected, sides, errors.sample_errors(table, schema)


def masked_of(request: MapRequest, sides: Any, samples: Any) -> list[Any]:
    members = {m.sample_id: m for m in sides.members}
    return mapmasks.masked(request, sides, members, samples)


def labels() -> list[dict[str, str]]:
    return [{"label": "ab"[i % 2]} for i in range(N)]


def test_a_zone_is_held_against_its_own_label_where_the_model_calls_it_affected(tmp_path: Path) -> None:
    schema = Zones(zones=("right_sup", "left_sup"), grades=3)
    targets = [{"right_sup": str(i % 3), "left_sup": "0"} for i in range(N)]
    expected, sides, samples = request_of(tmp_path, "image", schema, targets, settings(), loss="cross_entropy")
    with torch.no_grad():  # grade 2 in the first zone, grade 0 in the second, whatever is seen
        last = [m for m in expected.networks[0].modules() if isinstance(m, torch.nn.Linear)][-1]
        last.weight.zero_()
        last.bias.copy_(torch.tensor([0.0, 0, 9, 0, 9, 0, 0, 0]))
    result = masked_of(expected, sides, samples)
    assert len(result) == len(samples)
    for question in result:
        array = store.load(sides.cache / "samples" / f"{question.sample_id}.safetensors")["mask"][0]
        np.testing.assert_array_equal(question.mask, array == 1)
    with torch.no_grad():
        last.bias.copy_(torch.tensor([9.0, 0, 0, 0, 0, 0, 9, 0]))  # only the second zone, which no mask marks
    assert masked_of(expected, sides, samples) == []


def test_masks_that_are_evidence_of_one_class_are_held_against_its_own_samples(tmp_path: Path) -> None:
    schema, facts = Classification(target="label"), {"classes": ("a", "b"), "loss": "cross_entropy"}
    expected, sides, samples = request_of(tmp_path, "image", schema, labels(), settings(mask_class="b"), **facts)
    result = masked_of(expected, sides, samples)
    truth = {m.sample_id: m.targets["label"] for m in sides.members}
    assert {truth[question.sample_id] for question in result} == {"b"}
    logits = expected.networks[0](result[0].input[None])[0].detach()
    assert float(result[0].target(logits)) == float(logits.reshape(-1)[-1])


def test_a_class_that_there_is_not_is_a_reason_and_costs_the_maps_alone(tmp_path: Path) -> None:
    schema, facts = Classification(target="label"), {"classes": ("a", "b"), "loss": "cross_entropy"}
    block = settings(mask_class="c", checks=True)
    expected, sides, samples = request_of(tmp_path, "image", schema, labels(), block, **facts)
    result = saliency.explain_test(expected, sides, samples, tmp_path / "out")
    assert result.section["reason"] == "evaluate.saliency.mask_class: 'c' is not one of the classes a, b"


def test_a_network_that_is_not_there_is_undefined_with_its_reason(tmp_path: Path) -> None:
    block, targets = settings(checks=True), [{"score": str(i)} for i in range(N)]
    changed, sides, samples = request_of(tmp_path, "image", Regression(target="score"), targets, block)
    names = {"another_seed": "a", "shuffled_labels": "b", "segmentation": "c"}
    others = {use: OtherNetwork(name, "m", tmp_path / name, "now") for use, name in names.items()}
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "check.json").write_text('{"model": "of before"}')
    changed = replace(changed, others=others)
    checks = saliency.explain_test(changed, sides, samples, tmp_path / "out").section["checks"]
    for name, reason in (
        ("repeatability", "map_checks.a: its network was not found; run: dvc repro map-check@a"),
        ("label_randomization", "map_checks.b: 'm' has been trained again since; run: dvc repro map-check@b"),
        ("mask_auprc_segmentation", "map_checks.c: its network was not found"),
    ):
        assert checks[name]["value"] is None
        assert checks[name]["passed"] is None
        assert reason in checks[name]["reason"]
    assert checks["mask_auprc"]["beyond_shuffled"]["value"] is not None


def beside(home: Path, request: MapRequest, channels: int, members: int = 1, **facts: Any) -> MapRequest:
    """The request with a segmentation of random weights to compare with."""
    dense = [models.build_dense("unet", ndim=2, in_channels=1, out_channels=channels, seed=n) for n in range(members)]
    schema = Segmentation(classes=tuple("abc"[: max(2, channels)]))
    changed = replace(request.facts, name="outlines", task=schema.model_dump(mode="json"), members=members, **facts)
    other = OtherNetwork("seg", "m", home / "seg")
    save_model(other.folder / "model", changed, [models.Network(net).eval() for net in dense])
    (other.folder / "check.json").write_text("{}")
    return replace(request, others={"segmentation": other})


def test_a_segmentation_network_answers_about_the_label_that_is_asked_of(tmp_path: Path) -> None:
    schema = Zones(zones=("right_sup", "left_sup"), grades=3)
    targets = [{"right_sup": "1", "left_sup": "1"} for _ in range(N)]
    request, _, _ = request_of(tmp_path, "image", schema, targets, settings(), loss="cross_entropy")
    request = beside(tmp_path, request, 3)
    network = load_networks(tmp_path / "seg/model", request.facts)[0]
    question = Question("s", "p", torch.rand(1, 32, 32), None)  # type: ignore[arg-type]
    with torch.inference_mode():
        shares = network(question.input[None])[0].softmax(0).numpy()
    questions = [replace(question, label=label) for label in (1, 2, None)]
    result = mapmasks.segmented(request, questions)
    for answer, expected in zip(result, (shares[1], shares[2], 1 - shares[0])):
        np.testing.assert_allclose(answer, expected, atol=1e-6)


def test_with_folds_the_segmentation_network_that_did_not_see_a_sample_answers(tmp_path: Path) -> None:
    targets = [{"score": str(i)} for i in range(N)]
    request, _, _ = request_of(tmp_path, "image", Regression(target="score"), targets, settings())
    request = beside(tmp_path, request, 1, members=2, folds=2)
    nets = load_networks(tmp_path / "seg/model", replace(request.facts, members=2))
    x = torch.rand(1, 32, 32)
    with torch.inference_mode():
        own = [net(x[None])[0, 0].sigmoid().numpy() for net in nets]
    questions = [Question("s", "p", x, None, fold=fold) for fold in (0, 1, None)]  # type: ignore[arg-type]
    for answer, expected in zip(mapmasks.segmented(request, questions), (own[0], own[1], (own[0] + own[1]) / 2)):
        np.testing.assert_allclose(answer, expected, atol=1e-5)


def test_a_segmentation_of_other_samples_is_refused(tmp_path: Path) -> None:
    targets = [{"score": str(i)} for i in range(N)]
    expected, _, _ = request_of(tmp_path, "image", Regression(target="score"), targets, settings())
    expected = beside(tmp_path, expected, 1, dataset="elsewhere")
    with pytest.raises(ScantuneError, match="'outlines' uses other samples"):
        mapmasks.segmented(expected, [])


@pytest.fixture(scope="module")
def trained_again(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """``checks`` of an evaluation of an experiment that was trained twice more."""
    home = tmp_path_factory.mktemp("again")
    params = digits_params(200)
    params["datasets"]["digits"]["where"] = {"label": [0, 1]}
    block = experiment("small_cnn", epochs=3, learning_rate=0.01)
    block["evaluate"] = {"draws": 200, "saliency": {"samples": 1}}
    params["experiments"] = {"small": block}
    uses = ("another_seed", "shuffled_labels")
    params["map_checks"] = {use: {"experiment": "small", "from": "small", "use": use} for use in uses}
    (home / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    prepared = [f"{stage} digits" for stage in ("demo", "preprocess", "split")]
    run_stages(home, *prepared, "train small", *(f"map_check {use}" for use in uses), "evaluate small")
    return json.loads((home / "outputs/small/evaluate/metrics.json").read_text())["saliency"]["checks"]


@pytest.mark.slow
def test_an_experiment_is_trained_once_more_with_another_seed_and_on_shuffled_labels(trained_again: Any) -> None:
    repeated, shuffled = trained_again["repeatability"], trained_again["label_randomization"]
    assert repeated["n_networks"] == 2
    assert -1 <= repeated["value"] < 0.999  # another network, not the same again
    assert repeated["passed"] in (True, False)
    assert -1 <= shuffled["value"] < 0.999
    assert shuffled["rule"].startswith("passes where")


def side_of(home: Path, shapes: list[tuple[int, ...]]) -> Side:
    """Samples of six subjects whose masks hold their number."""
    (home / "samples").mkdir()
    members = []
    for i, shape in enumerate(shapes):
        arrays = {"input": np.full((1, *shape), i, np.uint8), "mask": np.full((1, *shape), i + 1, np.uint8)}
        store.save(home / "samples" / f"s{i}.safetensors", arrays, {})
        members.append(Sample(f"s{i}", f"p{i // 2}", "train", None, (1, *shape), {}, {}, {}, {}))
    return Side(members, home)


def test_masks_are_dealt_out_anew_among_subjects(tmp_path: Path) -> None:
    side = side_of(tmp_path, [(8, 8)] * 12)
    task = task_of(Segmentation(), ModelFacts("m", "d", {}, {}, loss="dice"))
    plain, dealt = (samples_of.samples(one, task) for one in (side, retraining.shuffle(side, 0, masks=True)))
    pictures = [int(255 * sample["input"].max() + 0.5) for sample in (dealt[i] for i in range(12))]
    values = [int(dealt[i]["target"].max()) - 1 for i in range(12)]
    assert pictures == list(range(12))  # the pictures stay where they were
    assert [int(plain[i]["target"].max()) - 1 for i in range(12)] == pictures
    assert sorted(values) == pictures
    assert values != pictures
    assert [i // 2 for i in values[::2]] == [i // 2 for i in values[1::2]]  # a subject's masks stay together


def test_masks_of_several_shapes_cannot_be_dealt_out(tmp_path: Path) -> None:
    side = side_of(tmp_path, [(8, 8), (8, 8), (8, 9), (8, 9)])
    with pytest.raises(ScantuneError, match="samples of this input differ in size"):
        retraining.shuffle(side, 0, masks=True)
