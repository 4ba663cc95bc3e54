"""``params.yaml`` to frozen, checked settings; a fault is named by its key's path, its value and what is right."""

from __future__ import annotations

import difflib
import itertools
import json
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from scantune.config.base import NAME
from scantune.config.params import Params, know_tasks
from scantune.config.run_cache import left_out
from scantune.plugins import load_plugins
from scantune.records import ScantuneError

SCHEMA_NAME = "params.schema.json"
#: The most that is read of params.yaml: what a person writes has a hundredth of it.
MAX_LETTERS, MAX_VALUES, MAX_DEPTH = 5_000_000, 200_000, 200


class ConfigError(ScantuneError):
    """What is wrong in ``params.yaml``, all of it, a line each."""

    def __init__(self, faults: list[str], name: str = "params.yaml") -> None:
        self.faults = faults
        lines = "\n".join(f"  {fault}" for fault in faults)
        super().__init__(f"{name} has {len(faults)} fault{'s' if len(faults) > 1 else ''}:\n{lines}")


class _SafeLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml's where it is
    """Safe YAML as DVC reads it (1.2: ``on`` is a word, ``1e-4`` a number) that refuses a key written twice."""


_WORDS = {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:float"}
_SafeLoader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in found if tag not in _WORDS]
    for letter, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_SafeLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_SafeLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|nan))$"
    ),
    list("-+0123456789."),
)


def _mapping(loader: _SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: dict[Any, int] = {}
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":  # `<<: *other`: what stands beside it wins
            continue
        key = loader.construct_object(key_node)  # type: ignore[no-untyped-call]
        line = key_node.start_mark.line + 1
        if key in seen:
            raise ConfigError([f"line {line}: the key {key!r} is already in line {seen[key]}; keep one of the two"])
        seen[key] = line
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_SafeLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load(path: Path | str = "params.yaml") -> Params:
    """Read and check the whole of ``params.yaml``.

    Args:
        path: the file.

    Returns:
        The settings, frozen.

    Raises:
        ConfigError: the file is missing, is not YAML, or holds an unknown key, a wrong type, a value out of range, a
            name that is not there or settings that contradict each other. All faults are in the one message.
    """
    return parse(read(path), Path(path).name)


def read(path: Path | str = "params.yaml") -> Any:
    """What stands in the file, as plain values, unchecked.

    Raises:
        ConfigError: the file is missing, or is not YAML.
    """
    file = Path(path)
    if not file.exists():
        raise ConfigError([f"{file.name} not found; run from the top folder of the project"], file.name)
    return read_text(file.read_text(encoding="utf-8"), file.name)


def read_text(text: str, name: str = "params.yaml") -> Any:
    """What the text of ``params.yaml`` says, as plain values, unchecked.

    Raises:
        ConfigError: it is not YAML.
    """
    if len(text) > MAX_LETTERS:
        raise ConfigError([f"{len(text):,} letters; at most {MAX_LETTERS:,} are read"], name)
    if _depth(text) > MAX_DEPTH:
        raise ConfigError([f"brackets within brackets: at most {MAX_DEPTH} are read"], name)
    try:
        content = _constructed(text)
    except RecursionError:
        raise ConfigError(["blocks within blocks: too deep to be read"], name) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError([f"{place}not valid YAML: {problem}"], name) from error
    return content or {}


def plain_value(text: str) -> Any:
    """One value as it would be read in the file: ``1e-4`` is a number, ``on`` a word."""
    return _constructed(text)


def _constructed(text: str) -> Any:
    """What a YAML text says, unless its aliases make more of it than anyone would write."""
    loader = _SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _values(node, {}) > MAX_VALUES:
            raise ConfigError(
                [f"its aliases (*name) make more than {MAX_VALUES:,} values of it; write out what is meant"]
            )
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _depth(text: str) -> int:
    """Brackets that are open at once, at most; those in quotes count too, of which there are few."""
    steps = (1 if bracket in "[{" else -1 for bracket in re.findall(r"[\[\]{}]", text))
    return max(itertools.accumulate(steps), default=0)


def _values(node: yaml.Node, known: dict[int, int]) -> int:
    """Values in a node, those behind an alias as often as it stands there."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        known[id(node)] = MAX_VALUES  # an alias of itself, while its own values are counted
        parts = itertools.chain.from_iterable(node.value) if isinstance(node, yaml.MappingNode) else node.value
        known[id(node)] = 1 + sum(_values(part, known) for part in parts)
    return known[id(node)]


def parse(content: object, name: str = "params.yaml") -> Params:
    """Check settings that are already a mapping; see :func:`load`."""
    if not isinstance(content, dict):
        raise ConfigError([f"the top level is {type(content).__name__}, but must be a mapping of groups"], name)
    overlooked = list(left_out(content))
    if overlooked:
        raise ConfigError(overlooked, name)
    load_plugins()
    know_tasks()
    try:
        params = Params.model_validate(content)
    except ValidationError as error:
        faults = [_say(fault) for fault in error.errors(include_url=False)]
        raise ConfigError(list(dict.fromkeys(faults)), name) from error
    from scantune.config.contradictions import contradictions
    from scantune.config.names import unknown_names

    faults = [*unknown_names(params), *contradictions(params)]
    if faults:
        raise ConfigError(faults, name)
    return params


def schema_text() -> str:
    """The JSON schema of ``params.yaml``, for editors; the same text every time."""
    load_plugins()
    know_tasks()
    schema = Params.model_json_schema(by_alias=True)
    schema["title"] = "scantune params.yaml"
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def _say(fault: ErrorDetails) -> str:
    """One fault as ``key.path: what, and what would be right``."""
    loc, kind = fault["loc"], fault["type"]
    key = ".".join(_part(part) for part in _plain(loc))
    context = fault.get("ctx", {})
    value = _short(fault.get("input"))
    if kind == "extra_forbidden":
        known = sorted(_fields_at(loc[:-1]))
        near = difflib.get_close_matches(str(loc[-1]), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{key}: unknown key{hint or '.'} Known keys: {', '.join(known)}" if known else f"{key}: unknown key"
    if kind == "missing":
        return f"{key}: required key is missing"
    if kind in {"union_tag_invalid", "literal_error"}:
        expected = str(context.get("expected_tags") or context.get("expected", ""))
        tag = str(context.get("tag", fault.get("input")))
        near = difflib.get_close_matches(tag, [e.strip(" '") for e in expected.replace(" or ", ",").split(",")], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{key}: {tag!r} is not one of {expected}{hint}"
    if kind == "union_tag_not_found":
        return f"{key}: the key {context.get('discriminator')} is missing, which selects the kind of block; got {value}"
    if kind == "string_pattern_mismatch" and f"^{NAME}$" == context.get("pattern"):
        return (
            f"{key}: a name consists of letters, digits, '-' and '_', and begins with a letter or a digit; got {value}"
        )
    if kind == "value_error":
        return f"{key}: {context.get('error', fault['msg'])}; got {value}"
    return f"{key}: {fault['msg'][0].lower()}{fault['msg'][1:]}; got {value}"


def _part(part: object) -> str:
    """One part of a key's path; a name with line breaks or codes of a terminal is quoted."""
    text = str(part)
    return text if text.isprintable() else repr(text)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"


def _plain(loc: tuple[int | str, ...]) -> Iterator[int | str]:
    """The key's path as it stands in the file: without the tags that a union adds to it."""
    annotation: Any = Params
    for part in loc:
        annotation, is_tag = _step(annotation, part)
        if not is_tag:
            yield part


def _fields_at(loc: tuple[int | str, ...]) -> set[str]:
    """The keys that the block at ``loc`` knows."""
    annotation: Any = Params
    for part in loc:
        annotation, _ = _step(annotation, part)
    return {
        field.alias or name
        for member in _members(annotation)
        if isinstance(member, type) and issubclass(member, BaseModel)
        for name, field in member.model_fields.items()
    }


def _members(annotation: Any) -> list[Any]:
    """The alternatives of a union, through ``Annotated`` and aliases; else the annotation alone."""
    if hasattr(annotation, "__value__"):
        return _members(annotation.__value__)
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _members(typing.get_args(annotation)[0])
    if origin in {typing.Union, types.UnionType}:
        return [m for a in typing.get_args(annotation) for m in _members(a) if m is not type(None)]
    return [annotation]


def _step(annotation: Any, part: int | str) -> tuple[Any, bool]:
    """The annotation below ``part``, and whether ``part`` was a union's tag rather than a key."""
    members = _members(annotation)
    for member in members:
        if isinstance(member, type) and issubclass(member, BaseModel):
            for name, field in member.model_fields.items():
                if part in {name, field.alias}:
                    return _with_metadata(field), False
        origin, arguments = typing.get_origin(member), typing.get_args(member)
        if origin is dict:
            return arguments[1], False
        if origin in {list, tuple, set} and isinstance(part, int):
            index = part if origin is tuple and arguments[-1] is not Ellipsis and part < len(arguments) else 0
            return (arguments[index] if arguments else Any), False
    for member in members:
        if part in _tags(member):
            return member, True
    return Any, isinstance(part, str) and _is_internal(part)


def _with_metadata(field: Any) -> Any:
    return field.annotation


def _tags(member: Any) -> set[str]:
    tags: set[str] = {getattr(member, "__name__", "")}
    if isinstance(member, type) and issubclass(member, BaseModel):
        for field in member.model_fields.values():
            if typing.get_origin(field.annotation) is typing.Literal:
                tags |= {str(a) for a in typing.get_args(field.annotation)}
    return tags


def _is_internal(part: str) -> bool:
    """Names that pydantic adds for validators and plain alternatives (``function-before[…]``, ``str``, ``float``)."""
    return "[" in part or part in {"str", "float", "int", "bool", "list", "dict", "tuple"}
