"""The same training once more, to test maps by: another seed, or labels that were dealt out anew."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scantune.assembly.cohort import Side
from scantune.records import ScantuneError

OTHER_SEED = 1000
"""Added to the seed."""


def again(params: Any, key: str, shuffled: bool) -> Any:
    """A network of an experiment trained again, as long as the first time; nothing of it is kept.

    Args:
        params: all settings.
        key: the experiment.
        shuffled: on shuffled labels with the seed it had; else on the same labels with another seed.

    Raises:
        ScantuneError: shuffled labels for a task that learns from masks.
    """
    from scantune.assembly import members, recipe, training

    plan = recipe.plan_of(params, key)
    if shuffled and plan.task.dense:
        raise ScantuneError("evaluate.saliency.label_randomization: a task that learns from masks has no labels")
    member = next(iter(members.members_of(plan)))
    train, validation = member.train, member.validation
    if shuffled:
        train, validation = (shuffle(side, member.seed) for side in (train, validation))
    with tempfile.TemporaryDirectory() as home:
        result = training.train_member(
            plan,
            train,
            validation,
            seed=member.seed if shuffled else member.seed + OTHER_SEED,
            out=Path(home) / "out",
            state=Path(home) / "state",
            start=members.start_of(plan, "weights"),
            teacher=members.start_of(plan, "teacher"),
        )
    return result.network


def shuffle(side: Side, seed: int) -> Side:
    """The side with the targets of each subject given to another one."""
    from scantune.explain.sanity import shuffle_labels

    held: Sequence[Any] = list(side)
    dealt = shuffle_labels([json.dumps(dict(m.targets)) for m in held], side.subjects, seed)
    cache = side.paths[0].parent.parent if held else Path()
    return Side([replace(m, targets=json.loads(text)) for m, text in zip(held, dealt)], cache)
