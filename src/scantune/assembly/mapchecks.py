"""The maps put to the test on the samples of an experiment; see :mod:`scantune.explain.sanity` for the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scantune.assembly.asking import Wanted, asked_of, input_of, main_question, path_of
from scantune.assembly.cohort import Member, Sides
from scantune.assembly.errors import Judged
from scantune.records import ScantuneError

CHECKED = 12
"""Samples that the tests of the maps draw."""
MASKED = 40
"""Samples whose maps are compared with masks, at most; each may have several, one a zone or structure."""


def checks_of(wanted: Wanted, sides: Sides, samples: Sequence[Judged], members: Mapping[str, Member]) -> dict[str, Any]:
    """The tests on a random draw, and the comparison with masks on samples that have one.

    Returns:
        Name to entry, as it stands in ``metrics.json``.
    """
    from scantune.explain import sanity
    from scantune.statistics.figure import jsonable

    seed, layer = wanted.settings.seed, wanted.settings.layer
    order = np.random.default_rng(seed).permutation(len(samples)).tolist()
    drawn = [samples[i] for i in order]
    network = wanted.networks[0].to(wanted.device).eval()
    questions = [_question(wanted, sides, members[said.sample_id], said, network) for said in drawn[:CHECKED]]
    others = [other.to(wanted.device).eval() for other in wanted.networks[1:4]]
    left_out: dict[str, Any] = {}
    if wanted.settings.repeat and not others:
        others = _optional("repeatability", left_out, lambda: [_again(wanted, False)]) or []
    shuffled = None
    if wanted.settings.label_randomization:
        shuffled = _optional("label_randomization", left_out, lambda: _again(wanted, True))
    found = sanity.check(
        network, questions, method=wanted.method, layer=layer, networks=others, shuffled=shuffled, seed=seed
    )
    masked = _masked(wanted, sides, members, drawn, network)
    if masked:
        said = _optional("mask_auprc_segmentation", left_out, lambda: _segmented(wanted, masked))
        found |= sanity.overlap(network, masked, make=sanity.mapper(wanted.method, layer), segmentation=said)
    elif wanted.settings.segmentation:
        left_out["mask_auprc_segmentation"] = _undefined("no test sample has a mask with something in it")
    return jsonable(found | left_out)


def _optional(name: str, left_out: dict[str, Any], make: Callable[[], Any]) -> Any:
    """What a test needs; None, and its reason in ``left_out``, where it cannot be had."""
    try:
        return make()
    except ScantuneError as error:
        left_out[name] = _undefined(str(error))
        return None


def _undefined(reason: str) -> dict[str, Any]:
    from scantune.statistics.figure import undefined

    return undefined(reason).as_dict() | {"passed": None, "rule": "asked for, and could not be made"}


def _again(wanted: Wanted, shuffled: bool) -> Any:
    """Another network trained alike.

    Raises:
        ScantuneError: there is nothing to train from.
    """
    if wanted.retrain is None:
        raise ScantuneError("only an experiment on its own data set can be trained again")
    return wanted.retrain(shuffled).to(wanted.device).eval()


def _question(wanted: Wanted, sides: Sides, member: Member, said: Judged, network: Any) -> Any:
    from scantune.explain import sanity

    x = input_of(path_of(sides, member)).to(wanted.device)
    asked = asked_of(wanted, network, x)
    target = asked[main_question(wanted.task, said, asked)].target
    return sanity.Question(member.sample_id, member.subject_id, x, target)


def _masked(
    wanted: Wanted, sides: Sides, members: Mapping[str, Member], drawn: Sequence[Judged], network: Any
) -> list[Any]:
    """Questions whose answer lies in a mask, of :data:`MASKED` samples at most."""
    from scantune.engine.data import read_cached

    found: list[Any] = []
    samples = 0
    for said in drawn:
        member = members[said.sample_id]
        path = path_of(sides, member)
        mask = read_cached(path).get("mask")
        if mask is None or not bool((mask > 0).any()):
            continue
        questions = list(_ABOUT_MASKS[wanted.task.name](wanted, member, input_of(path), mask[0].numpy(), network))
        found += questions
        samples += bool(questions)
        if samples == MASKED:
            break
    return found


def _of_answer(wanted: Wanted, member: Member, x: Any, mask: np.ndarray, network: Any) -> Iterator[Any]:
    """The score is asked about what is marked, and a segmentation's structures about their own label."""
    from scantune.explain import sanity

    x = x.to(wanted.device)
    for asked in asked_of(wanted, network, x):
        label = asked.index[0] if wanted.task.name == "segmentation" and len(wanted.task.foreground) > 1 else None
        own = mask > 0 if label is None else mask == label
        yield sanity.Question(member.sample_id, member.subject_id, x, asked.target, own.astype(np.uint8))


def _of_class(wanted: Wanted, member: Member, x: Any, mask: np.ndarray, network: Any) -> Iterator[Any]:
    """The class that the masks are evidence of, on its own samples; without one the class that was predicted."""
    from scantune.explain import sanity, targets

    name, classes = wanted.settings.mask_class, wanted.facts.classes
    x = x.to(wanted.device)
    if name is None:
        yield from _of_answer(wanted, member, x, mask, network)
        return
    if name not in classes:
        raise ScantuneError(f"evaluate.saliency.mask_class: {name!r} is none of the classes {', '.join(classes)}")
    if member.targets[wanted.task.target] != name:
        return
    number = classes.index(name)
    single = wanted.task.outputs == 1  # one logit of two classes: the first one lowers it
    target = targets.unit(0, 1.0 if number else -1.0) if single else targets.unit(number)
    yield sanity.Question(member.sample_id, member.subject_id, x, target, (mask > 0).astype(np.uint8))


def _of_zones(wanted: Wanted, member: Member, x: Any, mask: np.ndarray, network: Any) -> Iterator[Any]:
    """Each zone that the model calls affected, and the label of the mask that is this zone: 1 for the first."""
    from scantune.explain import sanity

    x = x.to(wanted.device)
    gradable = len(wanted.task.classes) - 1
    for asked in asked_of(wanted, network, x):
        zone, grade = asked.index
        own = mask == zone + 1
        if 0 < grade < gradable and own.any():
            yield sanity.Question(member.sample_id, member.subject_id, x, asked.target, own.astype(np.uint8))


_ABOUT_MASKS = {
    "regression": _of_answer,
    "classification": _of_class,
    "zones": _of_zones,
    "segmentation": _of_answer,
}


def _segmented(wanted: Wanted, masked: Sequence[Any]) -> list[np.ndarray | None] | None:
    """Probabilities of something being there, by the segmentation network of another experiment; None without one.

    Raises:
        ScantuneError: it is not trained yet, is none, or takes its files prepared in another way.
    """
    import torch

    from scantune.models.members import averaged
    from scantune.registry.model import load_networks, read_facts

    key = wanted.settings.segmentation
    if key is None:
        return None
    folder = Path("outputs") / key / "train" / "model"
    if not folder.is_dir():
        raise ScantuneError(f"evaluate.saliency.segmentation: {key!r} is not trained yet; run: dvc repro train@{key}")
    facts = read_facts(folder)
    if facts.task["name"] != "segmentation" or facts.input != wanted.facts.input:
        raise ScantuneError(f"evaluate.saliency.segmentation: {key!r} must be a segmentation of the same input")
    network = averaged(load_networks(folder, facts), "segmentation").to(wanted.device).eval()
    found: list[np.ndarray | None] = []
    for question in masked:
        with torch.inference_mode():
            logits = network(question.input[None])[0].float()
        there = logits[0].sigmoid() if len(logits) == 1 else 1 - logits.softmax(0)[0]
        found.append(there.cpu().numpy())
    return found
