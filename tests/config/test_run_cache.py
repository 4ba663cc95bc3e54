"""No key of ours is one that the run cache of DVC leaves out; a user's key of such a name is refused with a remedy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from dvc.stage.cache import _get_cache_hash

from scantune import demos
from scantune.config.augment import BY_MODALITY
from scantune.config.load import ConfigError, parse
from scantune.config.params import Params
from scantune.config.run_cache import LEFT_OUT
from scantune.losses import schedules
from scantune.losses.registry import described
from tests.config.test_load import changed


def seen_by_dvc(key: str) -> bool:
    """Whether a changed value under the key changes the hash by which DVC finds an earlier run."""
    first, second = ({"params": {"params.yaml": {"inputs.a": [{"b": {key: value}}]}}} for value in (1, 2))
    return _get_cache_hash(first) != _get_cache_hash(second)


def keys_of(schema: Any) -> Iterator[str]:
    """Every key of every block of a JSON schema."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for value in schema.values():
            yield from keys_of(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from keys_of(value)


def free_keys() -> Iterator[str]:
    """Keys that stand where the schema takes anything: augmentation, losses, schedules of weights, demo cohorts."""
    for block in BY_MODALITY.values():
        yield from keys_of(block.model_json_schema(by_alias=True))
    for name, _, options, _ in (*described(), *((n, (), o, w) for n, o, w in schedules.described())):
        yield from (name, *options)
    for name, cohort in demos.cohorts().items():
        yield from (name, *demos.options_of(cohort))


def test_no_key_of_ours_is_one_that_dvc_leaves_out():
    known = {*keys_of(Params.model_json_schema(by_alias=True)), *free_keys()}
    assert len(known) > 300
    assert [key for key in sorted(known) if not seen_by_dvc(key)] == []


def test_the_names_refused_are_those_that_dvc_leaves_out():
    from dvc_data.hashfile.meta import Meta

    names = {value for name, value in vars(Meta).items() if name.startswith("PARAM_")}
    assert {name for name in names if not seen_by_dvc(name)} == LEFT_OUT


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("inputs.knees.size", "inputs.knees.size: it is now inputs.knees.shape. DVC overlooks"),
        ("demo.angio.options.size", "demo.angio.options.size: it is now demo.angio.options.edge"),
        ("datasets.knees.targets.size", "rename it: targets: {size_value: size}"),
        ("datasets.knees.groups.nfiles", "rename it: groups: {nfiles_value: nfiles}"),
        ("datasets.knees.bands.size", "groups: {size_value: size}, and so in bands"),
        ("datasets.knees.where.size", 'write the column in braces: where: {"{size}": …}'),
        ("experiments.knees.model.options.size", "from inputs.<name>.shape"),
        ("external.size.input", "external.size: rename the block"),
        ("experiments.knees.train.augment.size", "experiments.knees.train.augment.size: rename it"),
    ],
)
def test_a_key_that_dvc_would_overlook_is_refused(path, message):
    with pytest.raises(ConfigError) as caught:
        parse(changed(path, 3))
    assert message in str(caught.value)


def test_a_column_of_that_name_can_be_target_group_and_filter():
    params = changed("datasets.knees.where", {"{size}": {"min": 3}, "scanner": "a"})
    params["datasets"]["knees"] |= {"targets": {"grade": "size"}, "groups": {"size_mm": "size"}}
    dataset = parse(params).datasets["knees"]
    assert list(dataset.where) == ["size", "scanner"]
    assert dataset.where["size"].min == 3
