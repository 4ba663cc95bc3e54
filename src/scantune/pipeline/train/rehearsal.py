"""What a training would refuse at its start, told when the cohort is checked: settings that the samples do not fit, and
a network that cannot be built."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from scantune.cohort.manifest import Sample
from scantune.config.params import ExperimentConfig, Params
from scantune.files import without_paths
from scantune.pipeline.data.datasets import encode
from scantune.pipeline.data.sides import Sides
from scantune.pipeline.train import training
from scantune.records import Record, ScantuneError


def refusals(
    params: Params, input_name: str, records: Sequence[Record], shapes: Mapping[str, tuple[int, ...]]
) -> list[str]:
    """Why experiments on an input could not begin, each as a line that begins with the experiment's key and names no
    folder: it is written.

    Args:
        params: all settings.
        input_name: the input.
        records: the cohort.
        shapes: of each prepared tensor, [C, …], by sample id; samples without one are left out.
    """
    members = [
        Sample(r.sample_id, r.subject_id, "train", 0, shapes[r.sample_id], r.targets, r.groups, r.raters, {})
        for r in records
        if r.sample_id in shapes
    ]
    sides = Sides(tuple(members), Path("data/cache") / input_name)
    faults = []
    for group, blocks in (("experiments", params.experiments), ("derived", params.derived)):
        for key, block in blocks.items() if members else ():
            if block.input != input_name:
                continue
            try:
                _rehearse(params, key, block, sides)
            except ScantuneError as error:
                text = _without_key(str(error), key)
                for path in filter(None, (block.model.weights, block.model.weights_folder)):
                    text = text.replace(path, without_paths(path))
                faults.append(f"{group}.{key}: {text}")
    return faults


def _without_key(text: str, key: str) -> str:
    """A message without the key that it begins with; a word that begins as the key does stays."""
    return re.sub(rf"^((experiments|derived)\.)?{re.escape(key)}[.:]\s*", "", text)


def _rehearse(params: Params, key: str, block: ExperimentConfig, sides: Sides) -> None:
    plan = training.plan(key, block, params.inputs[block.input], sides)
    side = sides.side("train")
    targets, _shape = encode(side, plan.task), plan.shape
    if getattr(block, "use", "teacher") == "weights":  # the network is another experiment's
        return
    if block.model.normalization == "foreground":  # of samples that are not in the cache yet
        model = block.model.model_copy(update={"normalization": "auto"})
        plan = replace(plan, block=block.model_copy(update={"model": model}))
    training.new_network(plan, block.train.seed, targets, side)
