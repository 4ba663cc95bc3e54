"""Labels dealt out anew, to train a network that cannot have learned anything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def shuffle_labels(labels: Sequence[str], who: Sequence[str], seed: int = 0) -> list[str]:
    """Labels dealt out anew among subjects: all samples of a subject get those of one other subject, in turn.

    Args:
        labels: of each sample.
        who: its subject.
        seed: of the deal.
    """
    names = sorted(set(who))
    dealt = np.random.default_rng(seed).permutation(len(names))
    giver = {name: names[int(i)] for name, i in zip(names, dealt)}
    theirs = {name: [label for label, subject in zip(labels, who) if subject == name] for name in names}
    turn = dict.fromkeys(names, 0)
    out = []
    for subject in who:
        given = theirs[giver[subject]]
        out.append(given[turn[subject] % len(given)])
        turn[subject] += 1
    return out
