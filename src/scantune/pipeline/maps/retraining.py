"""Other networks that maps are tested by: the same training once more (another seed, shuffled labels), or a copy."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

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
        out: gets ``model/`` and ``check.json``, which says what it belongs to.
    """
    from scantune.files import write_json
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
    """A network of an experiment trained again, as long as the first time.

    Args:
        params: all settings.
        key: the experiment.
        shuffled: on shuffled labels with the seed it had; else on the same labels with another seed.

    Raises:
        ScantuneError: shuffled masks that differ in shape.
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
    """The side with the targets (or the ``masks``) of each subject given to another one.

    Raises:
        ScantuneError: masks of several shapes, which do not fit each other's pictures.
    """
    from scantune.explain.sanity import shuffle_labels

    held = list(side)
    cache = side.paths[0].parent.parent if held else Path()
    if masks:
        shapes = {member.shape[1:] for member in held}
        if len(shapes) > 1:
            raise ScantuneError("label_randomization: masks can be dealt out anew only where all are of one shape")
        givers = shuffle_labels([member.sample_id for member in held], side.subjects, seed)
        return Side([replace(m, mask_from=giver) for m, giver in zip(held, givers)], cache)
    dealt = shuffle_labels([json.dumps(dict(m.targets)) for m in held], side.subjects, seed)
    return Side([replace(m, targets=json.loads(text)) for m, text in zip(held, dealt)], cache)
