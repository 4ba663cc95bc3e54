"""What a training would refuse at its start, told when the cohort is checked: settings that the samples do not fit, and
a network that cannot be built."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from scantune.cohort.manifest import Sample
from scantune.config.params import ExperimentConfig, Params
from scantune.files import without_paths
from scantune.pipeline.data.datasets import encode
from scantune.pipeline.data.sides import Sides
from scantune.pipeline.train import suitability, training
from scantune.records import Record, ScantuneError

if TYPE_CHECKING:
    from scantune.config.model import ModelConfig
    from scantune.models.network import Network


def rehearse(
    params: Params, input_name: str, records: Sequence[Record], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[list[str], list[str]]:
    """Why experiments on an input could not begin, and what others would download. Nothing is downloaded.

    Each is a line that begins with the experiment's key and names no folder: it is written.

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
    faults, downloads = [], []
    for group, blocks in (("experiments", params.experiments), ("derived", params.derived)):
        for key, block in blocks.items() if members else ():
            if block.input != input_name:
                continue
            try:
                download = _rehearse(params, key, block, sides)
            except ScantuneError as error:
                text = _without_key(str(error), key)
                for path in filter(None, (block.model.weights, block.model.weights_folder)):
                    text = text.replace(path, without_paths(path))
                faults.append(f"{group}.{key}: {text}")
            else:
                downloads += [f"{group}.{key}: {download}"] if download else []
    return faults, downloads


def _without_key(text: str, key: str) -> str:
    """A message without the key that it begins with; a word that begins as the key does stays."""
    return re.sub(rf"^((experiments|derived)\.)?{re.escape(key)}[.:]\s*", "", text)


def _rehearse(params: Params, key: str, block: ExperimentConfig, sides: Sides) -> str:
    """Build what a training begins with; what it would download, in words."""
    from scantune.models.weights.locate import AbsentWeightsError

    plan = training.plan(key, block, params.inputs[block.input], sides)
    side = sides.side("train")
    targets, _shape = encode(side, plan.task), plan.shape
    suitability.check_side(plan.key, plan.block, plan.input.modality, plan.task, side)
    if getattr(block, "use", "teacher") == "weights":  # the network is another experiment's
        return ""
    foreground = block.model.normalization == "foreground"  # of samples that are not in the cache yet
    model = block.model.model_copy(
        update={"download": False} | ({"normalization": "auto"} if foreground else {}),
    )

    def build(model: ModelConfig) -> Network:
        planned = replace(plan, block=block.model_copy(update={"model": model}))
        return training.new_network(planned, block.train.seed, targets, side)

    try:
        build(model)
    except AbsentWeightsError as error:
        if not (block.model.download and error.origin):
            raise
        network = build(model.model_copy(update={"weights": None, "pretrained": False}))
        megabytes = sum(one.numel() * one.element_size() for one in network.backbone.parameters()) / 1e6
        return (
            f"the weights {block.model.source!r} are not on this disk: the training downloads them, about "
            f"{megabytes:.0f} MB, from {error.origin} (model.download: true); the check tried the network without them"
        )
    return ""
