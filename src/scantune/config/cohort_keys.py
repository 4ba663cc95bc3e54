"""Keys of ``datasets.<name>`` that would be without effect beside the others: a split that is not the one meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from scantune.config.dataset import DatasetConfig, SplitConfig, TargetColumn
from scantune.statistics.ages import is_age

if TYPE_CHECKING:
    from scantune.config.params import Params

#: Keys of ``split`` that one method alone reads.
_OF_METHOD = {
    "group": "group_out",
    "test": "group_out",
    "validation": "group_out",
    "columns": "predefined",
    "rest": "predefined",
    "fill": "predefined",
}
#: Keys that describe a table, which class folders do not have.
_OF_TABLE = (
    "files", "masks", "region", "rater_masks", "series", "volume", "sample", "groups", "bands", "raters", "where",
    "recode", "order", "sheet", "header", "separator", "decimal",
)  # fmt: skip

_OLDEST = 90  # years: what cohort.ids.cap_age leaves of an age


def faults(params: Params) -> Iterator[str]:
    """Every key of a dataset that nothing would read, as ``key.path: why, and what to write``."""
    for name, dataset in params.datasets.items():
        key = f"datasets.{name}"
        yield from _split(f"{key}.split", dataset.split, named=dataset.class_folders or bool(dataset.split.columns))
        yield from _folders(key, dataset)
        if dataset.join_ids and not dataset.subjects_known:
            yield f"{key}.join_ids: there are no subjects to join; add subject: <column>, or remove the key"
        for group, edges in dataset.bands.items():
            if (is_age(group) or is_age(dataset.groups[group])) and max(edges) > _OLDEST:
                yield f"{key}.bands.{group}: {max(edges):g}, but ages over 89 are written as 90+; edges up to {_OLDEST}"
        for target, rule in dataset.targets.items():
            if rule.min is not None and rule.max is not None and rule.min > rule.max:
                yield f"{key}.targets.{target}: min {rule.min:g} is above max {rule.max:g}"


def _split(key: str, split: SplitConfig, *, named: bool) -> Iterator[str]:
    """Keys of a split that its method does not read.

    Args:
        key: where it stands.
        split: the block.
        named: whether a column or class folders may name the sides, so that the method is ``predefined`` where none is
            written.
    """
    written = split.model_fields_set
    method: str = split.method
    if "method" not in written and named:
        method = "predefined"
    for one, of in _OF_METHOD.items():
        if split.differs(one) and of != method:
            yield f"{key}.{one}: the method {method!r} does not read it; write method: {of}, or remove the key"
    if split.on and method == "random" and not split.folds:
        yield f"{key}.on: the method 'random' balances nothing; write method: stratified, or remove the key"
    if split.differs("bins") and not split.on:
        yield f"{key}.bins: has no effect: nothing is balanced by a number; write on: <target>, or remove the key"
    if {"fractions", "train_fraction"} <= written and split.train_fraction is not None:
        yield f"{key}.train_fraction: fractions say how many train too; remove one of the two"


def _folders(key: str, dataset: DatasetConfig) -> Iterator[str]:
    """Keys of a table beside class folders."""
    if not dataset.class_folders:
        return
    for one in _OF_TABLE:
        if dataset.differs(one):
            yield f"{key}.{one}: is of a table, and class_folders have none; remove it, or write a table"
    if dataset.split.columns:
        yield f"{key}.split.columns: are of a table, and class_folders have none; remove them"
    if len(dataset.targets) > 1:
        yield f"{key}.targets: class_folders have one target, the class; got {', '.join(dataset.targets)}"
    for name, rule in dataset.targets.items():
        if rule != TargetColumn(column=rule.column):
            yield f"{key}.targets.{name}: class_folders have no cells to check or recode; write targets: [{name}]"
