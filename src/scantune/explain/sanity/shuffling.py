"""Permutation of labels between subjects, to train a control network without a learnable association."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def shuffle_labels(labels: Sequence[str], subject_ids: Sequence[str], seed: int = 0) -> list[str]:
    """Labels permuted between subjects: the samples of a subject get the labels of one other subject in order.

    Args:
        labels: of each sample.
        subject_ids: subject of each sample.
        seed: of the permutation.
    """
    names = sorted(set(subject_ids))
    permutation = np.random.default_rng(seed).permutation(len(names))
    donor = {name: names[int(i)] for name, i in zip(names, permutation)}
    by_subject = {name: [label for label, subject in zip(labels, subject_ids) if subject == name] for name in names}
    turn = dict.fromkeys(names, 0)
    shuffled = []
    for subject in subject_ids:
        labels_of_donor = by_subject[donor[subject]]
        shuffled.append(labels_of_donor[turn[subject] % len(labels_of_donor)])
        turn[subject] += 1
    return shuffled
