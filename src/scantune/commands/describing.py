"""``docs/settings.md``: every key of ``params.yaml`` with its values, its default and a sentence, from the settings.

Nothing here is written by hand: a key's sentence is the docstring under its field.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

_HEAD = """# Settings

All keys of `params.yaml`, one a line. This page is written by `scantune schema` from the code and checked by
`scantune schema --check`. Where a block has a `name`, the name alone is short for it: `scheduler: cosine` means
`scheduler: {name: cosine}`.
"""
_TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true, false", "null": "null"}
_ENDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}
#: Groups of blocks that repeat another one.
_LIKE = {"derived.<name>": "ExperimentConfig"}


def settings_text() -> str:
    """The whole page; the same text every time."""
    from scantune.config.params import Params

    schema = Params.model_json_schema(by_alias=True)
    lines = [_HEAD]
    lines += _Pages(schema["$defs"]).of(schema, "")
    lines += _augmentation()
    lines += _losses()
    lines += _cohorts()
    return "\n".join(lines).rstrip() + "\n"


class _Pages:
    """Sections of a JSON schema, each block once."""

    def __init__(self, blocks: Mapping[str, Any]) -> None:
        self.blocks = blocks
        self.titles: dict[str, str] = {}

    def of(self, block: Mapping[str, Any], path: str) -> Iterator[str]:
        """The section of a block, then those of the blocks in it."""
        known = self.blocks[_LIKE[path]]["properties"] if path in _LIKE else {}
        chosen = {"name", "modality"} if _kind(block) else set()  # the title says it
        remaining = {key: value for key, value in block["properties"].items() if key not in {*known, *chosen}}
        if path:
            yield f"\n## `{path}`\n"
            yield _plain(block.get("description", ""))
            if known:
                yield "\nAll keys of an experiment, and:"
        else:
            yield "\n## The groups\n"
        if remaining:
            yield "\n| key | values | default | |\n| --- | --- | --- | --- |"
        required = block.get("required", ())
        for key, value in remaining.items():
            default = _default(value, key in required)
            yield f"| `{key}` | {_cell(self._values(value))} | {default} | {_cell(value.get('description', ''))} |"
        for key, value in remaining.items():
            yield from self._below(value, f"{path}.{key}" if path else key)

    def _below(self, value: Mapping[str, Any], path: str) -> Iterator[str]:
        for name, where in _references(value, path):
            block = self.blocks[name]
            if name in self.titles or not block.get("properties"):
                continue
            kind = _kind(block) or name.lower()
            title = f"{where}: {kind}" if kind and _several(value) else where
            self.titles[name] = title
            yield from self.of(block, title)

    def _values(self, value: Mapping[str, Any]) -> str:
        named = [name for name, _ in _references(value, "")]
        kinds = [_kind(self.blocks[name]) for name in named]
        if named and all(kinds) and _several(value):
            return "a block: " + ", ".join(f"`{kind}`" for kind in kinds)
        return " or ".join(dict.fromkeys(_words(value)))


def _references(value: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Names of the blocks that a key may contain, and the position of each."""
    if "$ref" in value:
        yield value["$ref"].rsplit("/", 1)[-1], path
    for part in (*value.get("anyOf", ()), *value.get("oneOf", ()), *value.get("allOf", ())):
        yield from _references(part, path)
    below = [value.get("additionalProperties"), *value.get("patternProperties", {}).values()]
    for part in below:
        if isinstance(part, Mapping):
            yield from _references(part, f"{path}.<name>")
    if isinstance(value.get("items"), Mapping):
        yield from _references(value["items"], path)


def _several(value: Mapping[str, Any]) -> bool:
    return len(list(_references(value, ""))) > 1


def _kind(block: Mapping[str, Any]) -> str:
    """What distinguishes a block from its alternatives: the constant of its ``name`` or ``modality``."""
    for key in ("name", "modality"):
        property_ = block.get("properties", {}).get(key, {})
        if "const" in property_:
            return str(property_["const"])
    return ""


def _words(value: Mapping[str, Any]) -> Iterator[str]:
    """The values that a key accepts, as text."""
    if "$ref" in value:
        yield "a block"
    elif "const" in value:
        yield f"`{value['const']}`"
    elif "enum" in value:
        yield ", ".join("tab" if one == "\t" else f"`{one}`" for one in value["enum"])
    elif value.get("type") == "array":
        items = value.get("items") or {}
        inner = " or ".join(dict.fromkeys(_words(items))) if isinstance(items, Mapping) else ""
        yield f"list of {inner}" if inner else "a number or a pair" if "prefixItems" in value else "list"
    elif value.get("type") == "object":
        yield "named blocks or values"
    elif value.get("type") in _TYPES:
        ends = " ".join(text.format(_number(value[key])) for key, text in _ENDS.items() if key in value)
        yield f"{_TYPES[value['type']]} {ends}".strip()
    for part in (*value.get("anyOf", ()), *value.get("oneOf", ())):
        yield from _words(part)


def _number(value: float) -> str:
    return f"{value:.15g}"


def _default(value: Mapping[str, Any], required: bool) -> str:
    if required:
        return "required"
    default = value.get("default", {} if value.get("type") == "object" else None)
    if isinstance(default, Mapping):
        return "`{}`" if not default else "see below" if "name" not in default else f"`{default['name']}`"
    if isinstance(default, bool) or default is None:
        return "`null`" if default is None else f"`{str(default).lower()}`"
    return f"`{default}`" if default != "" else '`""`'


def _plain(text: str) -> str:
    """Docstring to Markdown, on one line."""
    text = re.sub(r":func:`(.+?)`", r"`\1`", text)
    return " ".join(re.sub(r"``(.+?)``", r"`\1`", text).split())


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")


def _augmentation() -> Iterator[str]:
    from scantune.config.augment import BY_MODALITY, DEFAULT_SETS

    yield "\n## `experiments.<name>.train.augment`\n"
    yield (
        "By the modality of the experiment's input. Each key switches on its own transform and no other. "
        "`augment: default` is the usual set, and `{default: true, rotation: 20}` that set with one change:"
    )
    yield "\n| modality | `default` |\n| --- | --- |"
    for modality, values in DEFAULT_SETS.items():
        yield f"| {modality} | {', '.join(f'`{name}: {value}`' for name, value in values.items())} |"
    for modality, block in BY_MODALITY.items():
        schema = block.model_json_schema(by_alias=True)
        pages = _Pages(schema["$defs"])
        if modality != "image":  # the same as an image's
            pages.titles |= dict.fromkeys(schema["$defs"], "")
        yield from pages.of(schema, f"experiments.<name>.train.augment: {modality}")


def _losses() -> Iterator[str]:
    from scantune.losses import PRESETS
    from scantune.losses.registry import described
    from scantune.losses.schedules import described as schedules
    from scantune.tasks import catalogue

    takes = {task: frozenset(catalogue.part(task, "settings").Settings.loss_targets) for task in catalogue.names()}
    for task in takes:
        catalogue.optional_part(task, "losses")  # which registers its own

    yield "\n## `experiments.<name>.train.loss` by name\n"
    yield "Each has its options as additional keys: `loss: {name: huber, delta: 2}`."
    yield "\n| name | tasks | options | |\n| --- | --- | --- | --- |"
    for name, targets, options, words in described():
        tasks = [task for task, kinds in takes.items() if kinds & targets]
        yield f"| `{name}` | {', '.join(tasks) or 'any'} | {_options(options)} | {_cell(words)} |"
    yield "\nFor segmentation also these weighted sums, and `{name: combined, parts: {dice: 0.7, bce: 0.3}}`:"
    yield "\n| name | parts |\n| --- | --- |"
    for name, parts in PRESETS.items():
        yield f"| `{name}` | {', '.join(f'{weight:g} {part}' for part, weight in parts.items())} |"
    yield "\nTheir weights may move over the training: `loss: {name: default, schedule: {name: cosine}}`."
    yield "\n| schedule | options | |\n| --- | --- | --- |"
    for name, options, words in schedules():
        yield f"| `{name}` | {_options(options)} | {_cell(words)} |"


def _options(options: Mapping[str, Any]) -> str:
    return ", ".join(f"`{key}`" + ("" if value is None else f" {_yaml(value)}") for key, value in options.items())


def _cohorts() -> Iterator[str]:
    from scantune import demos

    yield "\n## `demo.<name>.options` by cohort\n"
    for name, cohort in demos.cohorts().items():
        descriptions = _arguments(cohort.write.__doc__ or "")
        yield f"\n**{name}**: {_plain(cohort.description)}"
        yield "\n| option | default | |\n| --- | --- | --- |"
        for key, parameter in demos.options_of(cohort).items():
            yield f"| `{key}` | `{_yaml(parameter.default)}` | {_cell(descriptions.get(key, ''))} |"


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _arguments(doc: str) -> dict[str, str]:
    """The section ``Args`` of a docstring: name to words."""
    section = re.search(r"Args:\n(.*?)(?:\n\n|\Z)", inspect.cleandoc(doc), re.DOTALL)
    descriptions: dict[str, str] = {}
    name = ""
    for line in (section.group(1) if section else "").splitlines():
        start = re.match(r" {4}(\w+): (.*)", line)
        if start:
            name = start.group(1)
            descriptions[name] = start.group(2)
        elif name:
            descriptions[name] += " " + line.strip()
    return descriptions
