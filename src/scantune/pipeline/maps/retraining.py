"""Other networks for map checks: the training repeated (with another seed or shuffled labels), or a copy."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from scantune.files import write_json
from scantune.pipeline.data.datasets import encode
from scantune.pipeline.data.sides import Side
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.config.params import Params
    from scantune.models.network import Network


OTHER_SEED = 1000
"""Added to the seed."""


def write_network(params: Params, key: str, out: Path) -> None:
    """The network of the entry ``map_checks.<key>``: trained again, or copied from another experiment.

    Args:
        params: all settings.
        key: the entry.
        out: gets ``model/`` and ``check.json``, which records the model that it belongs to.
    """
    from scantune.registry.model import read_facts, save_model, weights_digest

    block = params.map_checks[key]
    source, model = Path("outputs") / block.from_ / "train" / "model", out / "model"
    if block.use == "segmentation":
        shutil.copytree(source, model, dirs_exist_ok=True)
    else:
        network = again(params, block.experiment, block.use == "shuffled_labels")
        facts = replace(read_facts(source), members=1, folds=0, fitted={}, plugins={})
        save_model(model, facts, [network])
    write_json(out / "check.json", {"use": block.use, "from": block.from_, "model": weights_digest(source)})


def again(params: Params, key: str, shuffled: bool) -> Network:
    """Repeat the training of an experiment with the same number of epochs.

    Args:
        params: all settings.
        key: the experiment.
        shuffled: with shuffled labels and the same seed; else with the same labels and another seed.

    Raises:
        ScantuneError: masks to be shuffled differ in shape.
    """
    from scantune.pipeline.train import networks, training
    from scantune.pipeline.train import stage as recipe

    plan = recipe.plan_of(params, key)
    member = next(iter(networks.members_of(plan)))
    train, validation = member.train, member.validation
    if shuffled:
        masks = encode(train, plan.task) is None
        train, validation = (shuffle(side, member.seed, masks=masks) for side in (train, validation))
    with tempfile.TemporaryDirectory() as home:
        result = training.train_member(
            plan,
            train,
            validation,
            seed=member.seed if shuffled else member.seed + OTHER_SEED,
            out=Path(home) / "out",
            state=Path(home) / "state",
            start=networks.start_of(plan, "weights"),
            teacher=networks.start_of(plan, "teacher"),
        )
    return cast("Network", result.network)


def shuffle(side: Side, seed: int, *, masks: bool = False) -> Side:
    """Assign the targets (or the ``masks``) of each subject to another subject.

    Raises:
        ScantuneError: masks of several shapes.
    """
    from scantune.explain.sanity import shuffle_labels

    samples = list(side)
    cache = side.paths[0].parent.parent if samples else Path()
    if masks:
        shapes = {member.shape[1:] for member in samples}
        if len(shapes) > 1:
            raise ScantuneError(
                "use: shuffled_labels gives each image the mask of another one, and samples of this input differ in "
                "size: set shape in inputs, or remove the entry of map_checks"
            )
        donors = shuffle_labels([member.sample_id for member in samples], side.subjects, seed)
        return Side([replace(m, mask_from=donor) for m, donor in zip(samples, donors)], cache)
    dealt = shuffle_labels([json.dumps(dict(m.targets)) for m in samples], side.subjects, seed)
    return Side([replace(m, targets=json.loads(text)) for m, text in zip(samples, dealt)], cache)
