"""Checks of maps: a taught network's pass, an untaught one's and a habit's fail, each by the stated rule."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from scantune.explain import Saliency, targets
from scantune.explain.sanity import (
    Question,
    cascade,
    check,
    label_randomization,
    mapper,
    overlap,
    repeatability,
    shifts,
    shuffle_labels,
    warnings,
)
from scantune.explain.sanity.overlap import from_maps
from scantune.explain.sanity.randomise import randomise, stages
from scantune.explain.sanity.similarity import average_precision, points_at, rank_correlation, shrink, ssim
from scantune.explain.sanity.verdicts import mean_metric, verdict

from .conftest import Teachable


@pytest.fixture(scope="module")
def questions(planted: tuple[torch.Tensor, np.ndarray]) -> list[Question]:
    return [
        Question(f"s{i}", f"p{i // 2}", x, targets.unit(), mask)
        for i, (x, mask) in enumerate(zip(planted[0][:16], planted[1][:16]))
    ]


def habit(network: nn.Module, question: Question) -> Saliency:
    """A map that never looks at the network: where the picture is bright."""
    values = question.input[0].numpy()
    return Saliency((values - values.min()) / np.ptp(values), "none", "habit")


def centre(network: nn.Module, question: Question) -> Saliency:
    """Always the centre."""
    rows, columns = np.indices(question.input.shape[1:]) - 20
    return Saliency(np.exp(-(rows**2 + columns**2) / 200).astype(np.float32), "none", "centre")


@pytest.mark.slow
def test_a_taught_networks_maps_pass_every_check(
    trained: Teachable, trained_again: Teachable, untrained: Teachable, questions: list[Question]
) -> None:
    entries = check(trained, questions, networks=[trained_again], shuffled=untrained, steps=4)
    assert set(entries) == {
        "weight_randomization",
        "weight_randomization_ssim",
        "shift_reproducibility",
        "repeatability",
        "label_randomization",
        "mask_auprc",
        "mask_pointing",
    }
    judged = {name: entry["passed"] for name, entry in entries.items()}
    assert judged.pop("weight_randomization_ssim") is None
    assert all(judged.values()), judged
    assert warnings(entries) == []
    for entry in entries.values():
        assert {"value", "lower", "upper", "method", "n", "n_subjects", "reason", "passed", "rule"} <= set(entry)
        assert entry["n_subjects"] <= 8
    assert "NaN" not in json.dumps(entries)
    steps = entries["weight_randomization"]["steps"]
    assert steps[0]["down_to"] == "head"
    assert len(steps) == 4


def test_an_untaught_networks_maps_find_nothing(untrained: Teachable, questions: list[Question]) -> None:
    entries = overlap(untrained, questions)
    assert entries["mask_auprc"]["passed"] is False
    assert entries["mask_pointing"]["passed"] is False
    assert any("annotated finding" in sentence for sentence in warnings(entries))


@pytest.mark.parametrize("make", [habit, centre])
def test_a_map_that_ignores_the_network_fails_weight_and_label_randomisation(
    make: object, trained: Teachable, untrained: Teachable, questions: list[Question]
) -> None:
    entries = cascade(trained, questions[:12], make=make, steps=2)  # type: ignore[arg-type]
    entries |= label_randomization(trained, untrained, questions[:12], make=make)  # type: ignore[arg-type]
    for name in ("weight_randomization", "label_randomization"):
        assert entries[name]["value"] == pytest.approx(1.0)
        assert entries[name]["passed"] is False
    assert len(warnings(entries)) == 2


def test_repeatability_is_held_against_habit(trained: Teachable, questions: list[Question]) -> None:
    """Two networks that always look at the centre agree, but no more than on different samples."""
    entry = repeatability([trained, trained], questions, make=centre)["repeatability"]
    assert entry["value"] == pytest.approx(1.0)
    assert entry["chance"] == pytest.approx(1.0)
    assert entry["passed"] is False


def test_networks_that_learned_nothing_do_not_agree(untrained: Teachable, questions: list[Question]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(77)
        other = Teachable(2, 1).eval()
    assert repeatability([untrained, other], questions)["repeatability"]["passed"] is False


def test_a_map_that_moves_with_the_picture_is_reproducible(trained: Teachable, questions: list[Question]) -> None:
    exact = shifts(trained, questions, make=habit)["shift_reproducibility"]
    assert exact["value"] == pytest.approx(1.0, abs=0.05)  # the grey scale alone may differ at the border
    fixed = shifts(trained, questions, make=centre, share=0.3, draws=3)["shift_reproducibility"]
    assert fixed["value"] < exact["value"]


def test_a_segmentation_network_sets_the_bar(trained: Teachable, questions: list[Question]) -> None:
    perfect = overlap(trained, questions, segmentation=[question.mask for question in questions])
    for name in ("mask_auprc", "mask_pointing"):
        ours, theirs = perfect[name], perfect[f"{name}_segmentation"]
        assert theirs["value"] == pytest.approx(1.0)
        assert theirs["chance"] == pytest.approx(ours["chance"])
        assert theirs["map"] == pytest.approx(ours["value"])
        assert theirs["difference"]["value"] == pytest.approx(ours["value"] - 1)
        assert theirs["passed"] is (theirs["difference"]["lower"] > -0.1)
    assert perfect["mask_auprc_segmentation"]["passed"] is False
    assert "was not shown to localise the annotated finding as well as a segmentation network" in " ".join(
        warnings(perfect)
    )


def test_a_map_as_good_as_the_segmentation_network_passes(trained: Teachable, questions: list[Question]) -> None:
    make = mapper()
    alike = [make(trained, question).map for question in questions]
    entries = overlap(trained, questions, segmentation=[*alike[:15], None])
    assert entries["mask_auprc_segmentation"]["difference"]["value"] == pytest.approx(0, abs=1e-9)
    assert entries["mask_auprc_segmentation"]["passed"] is True
    assert (entries["mask_auprc_segmentation"]["n"], entries["mask_auprc"]["n"]) == (15, 16)


def test_a_share_has_no_interval_below_zero() -> None:
    mask = np.zeros((4, 4))
    mask[0, 0] = 1
    hit, miss = (Saliency(m.astype(np.float32), "l", "m") for m in (mask, mask[::-1]))
    pointing = from_maps([hit] + [miss] * 5, [mask] * 6, [f"p{i}" for i in range(6)])["mask_pointing"]
    assert pointing["value"] == pytest.approx(1 / 6)
    assert pointing["lower"] == 0
    assert pointing["difference"]["lower"] < 0  # from chance


def test_samples_without_finding_and_undefined_maps_are_left_out_and_counted() -> None:
    mask = np.zeros((4, 4))
    mask[0, 0] = 1
    good = Saliency(mask.astype(np.float32), "l", "m")
    none = Saliency(None, "l", "m", "all zero")
    entries = from_maps([good] * 6 + [none] * 2, [mask] * 8, [f"p{i}" for i in range(8)])
    assert (entries["mask_auprc"]["n"], entries["mask_auprc"]["n_undefined"]) == (6, 2)
    assert entries["mask_auprc"]["value"] == 1.0
    assert entries["mask_auprc"]["passed"] is True
    empty = from_maps([none] * 3, [mask] * 3, ["a", "b", "c"])["mask_auprc"]
    assert empty["value"] is None
    assert "all of 3" in empty["reason"]
    assert empty["passed"] is None
    assert overlap(nn.Identity(), [])["mask_auprc"]["value"] is None


def test_too_few_subjects_get_no_verdict() -> None:
    figure = mean_metric(np.array([0.1, 0.2, 0.3]), ["a", "b", "c"])
    assert verdict(figure, "passes where …", lambda lower, upper: True)["passed"] is None


@pytest.mark.slow
def test_every_interval_and_verdict_of_the_checks_goes_by_the_stated_level(
    trained: Teachable, questions: list[Question]
) -> None:
    """At .80 every interval is narrower than at .95, and at .99 wider: the ratio is that of Student's quantiles."""
    some, masks = questions[:12], [question.mask for question in questions[:12]]
    noise = np.random.default_rng(0)
    segmented = [noise.random(np.shape(mask)) + mask for mask in masks]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        other = Teachable(2, 1).eval()

    def bounds(entries: dict[str, Any]) -> dict[str, float]:
        flat = dict(entries)
        for name, entry in entries.items():
            flat |= {f"{name}/{key}": entry[key] for key in ("difference", "beyond_shuffled") if key in entry}
            flat |= {f"{name}/{i}": step for i, step in enumerate(entry.get("steps") or ())}
        return {name: e["upper"] - e["lower"] for name, e in flat.items() if e["lower"] is not None}

    widths = [
        bounds(check(trained, some, networks=[other], shuffled=other, segmentation=segmented, confidence=level))
        for level in (0.8, 0.95, 0.99)
    ]
    assert {"weight_randomization", "weight_randomization_ssim", "label_randomization", "repeatability"} <= set(
        widths[0]
    )
    assert {"shift_reproducibility", "mask_auprc/difference", "mask_auprc_segmentation/difference"} <= set(widths[0])
    for name, narrow in widths[0].items():
        if widths[2][name] > 0:  # 0 where every subject has one value
            assert narrow < widths[1][name] <= widths[2][name], name


def test_a_verdict_may_turn_with_the_level() -> None:
    mask = np.zeros((4, 4))
    mask[0, 0] = 1
    rng = np.random.default_rng(1)
    maps = [Saliency((0.1 * mask + rng.random((4, 4))).astype(np.float32), "l", "m") for _ in range(12)]
    ids = [f"p{i}" for i in range(12)]
    levels = {level: from_maps(maps, [mask] * 12, ids, level)["mask_auprc"] for level in (0.6, 0.95)}
    assert levels[0.6]["passed"] is (levels[0.6]["difference"]["lower"] > 0) is True
    assert levels[0.95]["passed"] is (levels[0.95]["difference"]["lower"] > 0) is False


def test_mean_is_resampled_by_subject() -> None:
    """Ten copies of each subject's value must not narrow the interval."""
    values = np.random.default_rng(0).normal(size=12)
    once = mean_metric(values, [str(i) for i in range(12)])
    often = mean_metric(np.repeat(values, 10), [str(i) for i in range(12) for _ in range(10)])
    assert once.value == pytest.approx(often.value)
    assert (once.lower, once.upper) == pytest.approx((often.lower, often.upper))
    assert (often.n, often.n_subjects) == (120, 12)


def test_randomising_goes_from_the_output_down_and_touches_nothing_else(trained: Teachable) -> None:
    import copy

    net = copy.deepcopy(trained)
    parts = stages(net, 3)
    state = torch.get_rng_state()
    randomise(parts[0][1], seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(net.head.weight, trained.head.weight)
    assert torch.equal(net.stem[0].weight, trained.stem[0].weight)
    for _, modules in parts:
        randomise(modules, seed=2)
    changed = [not torch.equal(a, b) for a, b in zip(net.parameters(), trained.parameters()) if a.ndim > 1]
    assert all(changed)
    assert float(net.stem[1].running_mean.abs().max()) == 0
    twice = copy.deepcopy(trained)
    for _, modules in stages(twice, 3):
        randomise(modules, seed=2)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), twice.parameters()))


def test_cascade_leaves_the_network_and_follows_its_seed(trained: Teachable, questions: list[Question]) -> None:
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    first, again = (cascade(trained, questions[:6], steps=2, seed=s) for s in (3, 3))
    assert first == again
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())


def test_average_precision_by_hand() -> None:
    """Ranked + − + −: precisions 1 and 2/3 at the two hits."""
    scores, mask = np.array([0.9, 0.8, 0.7, 0.6]), np.array([1, 0, 1, 0])
    assert average_precision(scores, mask) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.ones(8), np.arange(8) < 2) == pytest.approx(0.25)  # all tied: the share
    assert math.isnan(average_precision(scores, np.zeros(4)))


@settings(deadline=None, max_examples=40)
@given(data=st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_average_precision_is_scikit_learns(data: list[tuple[int, bool]]) -> None:
    from sklearn.metrics import average_precision_score

    scores, mask = np.array([d[0] for d in data], float), np.array([d[1] for d in data])
    if mask.any():
        assert average_precision(scores, mask) == pytest.approx(average_precision_score(mask, scores))


def test_pointing_by_hand() -> None:
    scores, mask = np.array([[0.1, 1.0], [1.0, 0.2]]), np.array([[0, 1], [0, 0]])
    assert points_at(scores, mask) == 0.5
    assert points_at(scores, np.array([[0, 1], [1, 0]])) == 1.0
    assert math.isnan(points_at(scores, np.zeros((2, 2))))


def test_similarity_of_maps() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((30, 28)), rng.random((30, 28))
    assert rank_correlation(a, a) == pytest.approx(1)
    assert rank_correlation(a, a**3) == pytest.approx(1)
    assert rank_correlation(a, -a) == pytest.approx(-1)
    assert abs(rank_correlation(a, b)) < 0.1
    assert ssim(a, a) == pytest.approx(1)
    assert ssim(a, b) < 0.2
    assert ssim(a, b) == pytest.approx(ssim(b, a))
    assert shrink(rng.random((64, 40, 8))).shape == (32, 32, 8)


def test_shuffled_labels_are_dealt_by_subject() -> None:
    who = [f"p{i // 2}" for i in range(40)]
    labels = [f"{i // 2}" for i in range(40)]
    dealt = shuffle_labels(labels, who, seed=1)
    assert sorted(dealt) == sorted(labels)
    assert dealt[::2] == dealt[1::2]
    assert dealt != labels
    assert dealt == shuffle_labels(labels, who, seed=1)
    assert shuffle_labels(["a", "b"], ["p", "p"], seed=0) == ["a", "b"]  # one subject: nobody to swap with


def test_checks_work_in_three_dimensions(trained_3d: Teachable, planted_3d: tuple[torch.Tensor, np.ndarray]) -> None:
    posed = [Question(f"s{i}", f"p{i}", x, targets.unit(), m) for i, (x, m) in enumerate(zip(*planted_3d))]
    entries = check(trained_3d, posed[:8], steps=2)
    assert entries["mask_auprc"]["passed"] is True
    assert entries["weight_randomization"]["passed"] is True
    assert mapper()(trained_3d, posed[0]).layer == "last"


def test_checks_share_the_networks_maps_and_find_the_same(trained: Teachable, questions: list[Question]) -> None:
    made: list[str] = []

    def counted(network: nn.Module, question: Question) -> Saliency:
        if network is trained and any(question is one for one in questions):
            made.append(question.sample_id)
        return mapper()(network, question)

    entries = check(trained, questions, make=counted, steps=2)
    assert sorted(made) == sorted(question.sample_id for question in questions)
    alone = cascade(trained, questions, steps=2) | shifts(trained, questions) | overlap(trained, questions)
    assert entries == alone


@pytest.mark.parametrize("n", [6, 12])
def test_the_interval_of_a_mean_over_few_subjects_keeps_its_level(n):
    rng = np.random.default_rng(0)
    subjects = [str(i // 2) for i in range(2 * n)]
    inside = 0
    for _ in range(1500):
        of_subject = np.repeat(rng.normal(0.3, 0.15, n), 2)
        metric = mean_metric(of_subject + rng.normal(0, 0.05, 2 * n), subjects)
        inside += metric.lower <= 0.3 <= metric.upper
    assert inside / 1500 > 0.925
