"""``params.yaml`` to frozen, checked settings; a fault is named by its key's path, its value and what is right."""

from __future__ import annotations

import datetime
import json
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from scantune.config.base import NAME
from scantune.config.ensembles import incomplete
from scantune.config.map_checks import moved_keys
from scantune.config.params import Params, know_tasks
from scantune.config.presets import preset_of
from scantune.config.reading import ConfigError, plain_value, read, read_text
from scantune.config.run_cache import left_out
from scantune.config.synonyms import elsewhere
from scantune.plugins import load_plugins
from scantune.spelling import did_you_mean

__all__ = ["ConfigError", "load", "parse", "plain_value", "read", "read_text", "schema_text"]

SCHEMA_NAME = "params.schema.json"


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


def parse(content: object, name: str = "params.yaml") -> Params:
    """Check settings that are already a mapping; see :func:`load`."""
    if not isinstance(content, dict):
        raise ConfigError([f"the top level is {type(content).__name__}, but must be a mapping of groups"], name)
    overlooked = [*left_out(content), *moved_keys(content), *incomplete(content)]
    if overlooked:
        raise ConfigError(overlooked, name)
    load_plugins()
    know_tasks()
    try:
        params = Params.model_validate(content)
    except ValidationError as error:
        faults = [_message(fault) for fault in error.errors(include_url=False)]
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


def _empty_model(loc: tuple[int | str, ...], block: Any) -> str:
    """What to write where ``train.preset`` sets all of a missing ``model:``."""
    preset = preset_of(block.get("train")) if loc[-1] == "model" and isinstance(block, dict) else ""
    return f"; train.preset {preset} sets its values, and DVC needs the key: add model: {{}}" if preset else ""


def _message(fault: ErrorDetails) -> str:
    """One fault as ``key.path: what, and what would be right``."""
    loc, kind = fault["loc"], fault["type"]
    key = ".".join(_part(part) for part in _plain(loc))
    context = fault.get("ctx", {})
    value = _short(fault.get("input"))
    if kind == "extra_forbidden":
        known = sorted(_fields_at(loc[:-1]))
        place = _elsewhere(loc)
        if place:
            return f"{key}: unknown key; {place}"
        hint = did_you_mean(str(loc[-1]), known, ".")
        return f"{key}: unknown key{hint} Known keys: {', '.join(known)}" if known else f"{key}: unknown key"
    if isinstance(fault.get("input"), datetime.date):
        return f"{key}: YAML reads {value} as a date; put it in quotes, as the table has it: {str(fault['input'])!r}"
    if kind == "missing":
        return f"{key}: required key is missing{_empty_model(loc, fault.get('input'))}"
    if kind in {"union_tag_invalid", "literal_error"}:
        expected = str(context.get("expected_tags") or context.get("expected", ""))
        tag = str(context.get("tag", fault.get("input")))
        hint = did_you_mean(tag, [e.strip(" '") for e in expected.replace(" or ", ",").split(",")])
        return f"{key}: {tag!r} is not one of {expected}{hint}"
    if kind == "union_tag_not_found":
        return f"{key}: the key {context.get('discriminator')} is missing, which selects the kind of block; got {value}"
    if kind == "string_pattern_mismatch" and f"^{NAME}$" == context.get("pattern"):
        return (
            f"{key}: a name consists of letters, digits, '-' and '_', and begins with a letter or a digit; got {value}"
        )
    if kind == "model_type" and fault.get("input") is None:
        return f"{key}: null is no block; write {{}} for its defaults"
    if kind in {"model_type", "dict_type"}:
        return f"{key}: a block of keys is needed; got {value}"
    if kind == "value_error":
        found = "" if isinstance(fault.get("input"), dict) else f"; got {value}"  # of a block, its keys are in the text
        return f"{key}: {context.get('error', fault['msg'])}{found}"
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
    return {field.alias or name for block in _blocks_at(loc) for name, field in block.model_fields.items()}


def _blocks_at(loc: tuple[int | str, ...]) -> list[type[BaseModel]]:
    """The kinds of block that may stand at ``loc``."""
    annotation: Any = Params
    for part in loc:
        annotation, _ = _step(annotation, part)
    return [one for one in _members(annotation) if isinstance(one, type) and issubclass(one, BaseModel)]


def _elsewhere(loc: tuple[int | str, ...]) -> str:
    """What is known of a key that users of other systems write; "" for nothing."""
    return next((place for block in _blocks_at(loc[:-1]) if (place := elsewhere(block, str(loc[-1])))), "")


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
    blocks = [member for member in members if isinstance(member, type) and issubclass(member, BaseModel)]
    if len(blocks) > 1:  # pydantic puts the tag of one of them first, which may be a key of theirs too
        tagged = [block for block in blocks if part in _tags(block)]
        if tagged:
            return tagged[0], True
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
