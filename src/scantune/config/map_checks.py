"""The group ``map_checks``: what its entries need, and the former keys of ``evaluate.saliency`` that it replaces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scantune.config.params import Params

#: Key that once stood in ``evaluate.saliency``, and the ``use`` of the entry in its place.
MOVED = {"repeat": "another_seed", "label_randomization": "shuffled_labels", "segmentation": "segmentation"}


def moved_keys(content: Any) -> Iterator[str]:
    """A fault for each key that is now an entry of ``map_checks``, with the line to add.

    Args:
        content: ``params.yaml`` as plain values, unchecked.
    """
    for group in ("experiments", "derived", "ensembles"):
        for name, block in _items(content.get(group)):
            saliency = dict(_items(dict(_items(dict(_items(block)).get("evaluate"))).get("saliency")))
            for key in MOVED.keys() & saliency.keys():
                yield _fault(group, name, key, saliency[key])


def _items(block: Any) -> Any:
    return block.items() if isinstance(block, Mapping) else ()


def _fault(group: str, name: str, key: str, value: Any) -> str:
    fault = (
        f"{group}.{name}.evaluate.saliency.{key}: such tests of maps are now entries of the group map_checks. Remove"
    )
    if not value or group == "ensembles":
        return f"{fault} this key"
    source = value if key == "segmentation" else name
    entry = f"{name}_{MOVED[key]}: {{experiment: {name}, from: {source}, use: {MOVED[key]}}}"
    return f"{fault} this key and add to params.yaml: map_checks: {{{entry}}}"


def faults(params: Params) -> Iterator[str]:
    """Every entry that cannot be run, or that nothing would read."""
    known = {**params.experiments, **params.derived}
    first: dict[tuple[str, str], str] = {}
    for name, check in params.map_checks.items():
        where, block, other = f"map_checks.{name}", known.get(check.experiment), known.get(check.from_)
        if block is None or other is None:
            continue  # reported with the names that there are
        if not (block.evaluate.saliency.enabled and block.evaluate.saliency.checks):
            yield f"{where}.experiment: {check.experiment!r} tests no maps (evaluate.saliency): nothing would read this"
        earlier = first.setdefault((check.experiment, check.use), name)
        if earlier != name:
            yield f"{where}: map_checks.{earlier} already has use {check.use} for {check.experiment!r}; keep one"
        if check.use == "segmentation":
            yield from _segmentation(where, params, check, block, other)
        elif check.from_ != check.experiment:
            yield (
                f"{where}.from: {check.from_!r}, but use: {check.use} repeats the training of the experiment itself; "
                f"write from: {check.experiment}"
            )


def _segmentation(where: str, params: Params, check: Any, block: Any, other: Any) -> Iterator[str]:
    dataset = params.datasets.get(block.dataset)
    if dataset is not None and not dataset.masks:
        yield f"{where}.experiment: needs datasets.{block.dataset}.masks: the path of a sample's mask"
    if not other.task.mask_classes:
        yield f"{where}.from: {check.from_!r} is a {other.task.name}, not a segmentation"
    if other.input != block.input:
        yield f"{where}.from: {check.from_!r} takes the input {other.input!r}, not {block.input!r}"
