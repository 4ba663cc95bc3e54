"""Values changed in the text of ``params.yaml``: only they change; comments, anchors and layout stay.

The text is edited where YAML's parser says that a value stands. A value that other blocks share through an anchor or a
merge changes for the named key alone: the others get what they had, written out.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from scantune.config.load import ConfigError, plain_value, read_text
from scantune.records import ScantuneError

_MERGE = "tag:yaml.org,2002:merge"
_ROUNDS = 200
_GROUPS = 2  # parts of a key that name a block, as in experiments.digits
_OF_EXPERIMENT = frozenset({"task", "model", "train", "evaluate", "register"})  # blocks of an experiment


@dataclass(frozen=True)
class Change:
    """A key's new value.

    Attributes:
        path: ``("experiments", "digits", "train", "epochs")``.
        value: as YAML reads it.
        text: as it is written; "" where it is made from the value.
    """

    path: tuple[str, ...]
    value: Any
    text: str = ""

    @classmethod
    def read(cls, setting: str) -> Change:
        """From ``key.path=value``; Hydra's ``+`` and ``++`` before the key mean the same.

        Raises:
            ScantuneError: another form.
        """
        key, equals, text = setting.partition("=")
        path = tuple(key.strip().lstrip("+").split("."))
        if not equals or not all(path) or len(path) < _GROUPS:
            raise ScantuneError(f"{setting!r}: write key.path=value, as in experiments.digits.train.epochs=5")
        try:
            value = plain_value(text)
        except yaml.YAMLError:
            raise ScantuneError(f"{setting!r}: {text!r} is not a YAML value; put text in quotes") from None
        if "#" in text and "#" not in json.dumps(value, default=str):
            raise ScantuneError(f"{setting!r}: to YAML what follows # is a comment; put text in quotes")
        return cls(path, value, text.strip())

    @property
    def key(self) -> str:
        """The path with dots."""
        return ".".join(self.path)


_KEY = re.compile(r"\+{0,2}[\w-]+(\.[\w-]+)+=")
_OPENS = " \t\n=,:[{("  # what a quotation mark that begins a text stands behind


def split_settings(text: str) -> list[str]:
    """Each ``key.path=value`` of a text; values keep their quotation marks, by which YAML tells ``'007'`` from 7.

    A value may have spaces, as in ``inputs.digits.shape=[16, 16]``; a setting may be in quotation marks as a whole.

    Raises:
        ScantuneError: a quotation mark without its partner, or a text that does not begin with a key.
    """
    parts: list[str] = []
    place, begin = 0, 0
    while place < len(text):
        free = place == 0 or text[place - 1].isspace()
        if text[place] in "'\"" and (place == 0 or text[place - 1] in _OPENS):
            end = _closing(text, place)
            if free and _KEY.match(text, place + 1):  # the whole setting is in quotation marks
                parts.append(text[begin:place])
                parts.append(text[place + 1 : end])
                begin = end + 1
            place = end
        elif free and _KEY.match(text, place):
            parts.append(text[begin:place])
            begin = place
        place += 1
    return [part.strip() for part in (*parts, text[begin:]) if part.strip()]


def _closing(text: str, place: int) -> int:
    """Where the quotation mark at ``place`` ends, as YAML reads it: doubled, or behind a backslash, it does not."""
    mark, end = text[place], place + 1
    while end < len(text):
        if text[end] == "\\" and mark == '"':
            end += 1
        elif text[end] == mark and text[end : end + 2] != "''":
            return end
        elif text[end] == mark:
            end += 1
        end += 1
    raise ScantuneError(f"--set {text!r}: a quotation mark is not closed")


def changed(settings: Any, changes: Sequence[Change]) -> Any:
    """Settings as a mapping with some values changed; the mapping passed in does not change.

    Raises:
        ScantuneError: a key leads to a block that does not exist, or through a value that is no block.
    """
    result = _unshared(settings)
    for change in changes:
        block = result
        for depth, part in enumerate(change.path[:-1]):
            if depth < _GROUPS and part not in block:
                if not depth and part in _OF_EXPERIMENT and block.get("experiments"):
                    name = next(iter(block["experiments"]))
                    raise ScantuneError(f"{change.key}: of which experiment? Write experiments.{name}.{change.key}=…")
                known = ", ".join(map(str, block)) or "none"
                raise ScantuneError(
                    f"{change.key}: there is no {'.'.join(change.path[: depth + 1])}; there are {known}"
                )
            if block.get(part) is None:
                block[part] = {}
            block = block[part]
            if not isinstance(block, dict):
                name = ".".join(change.path[: depth + 1])
                raise ScantuneError(
                    f"{change.key}: {name} is {block!r}, not a block of keys; set it as a whole: {name}=…"
                )
        block[change.path[-1]] = change.value
    return result


def _unshared(value: Any) -> Any:
    """A copy in which blocks that an anchor makes one object are several."""
    if isinstance(value, dict):
        return {key: _unshared(item) for key, item in value.items()}
    return [_unshared(item) for item in value] if isinstance(value, list) else value


def edited(text: str, changes: Sequence[Change]) -> str:
    """The text of ``params.yaml`` with some values changed.

    Raises:
        ScantuneError: a key leads nowhere, see :func:`changed`.
        ConfigError: the text is not YAML.
    """
    target = changed(read_text(text), changes)
    for change in changes:
        text = _set(text, change.path, _written(change))
    for _ in range(_ROUNDS):
        difference = next(_differences(read_text(text), target, ()), None)
        if difference is None:
            return text
        path, value = difference
        text = _set(text, path, flow(value))
    raise ConfigError([f"{changes[0].key}: cannot be changed without changing other keys; edit the file by hand"])


def _differences(current: Any, target: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Paths at which a value differs from the target, and the target."""
    if not isinstance(current, dict) or not isinstance(target, dict):
        if not _same(current, target):
            yield path, target
        return
    if set(current) - set(target):
        yield path, target
        return
    for key, value in target.items():
        if key in current:
            yield from _differences(current[key], value, (*path, key))
        else:
            yield (*path, key), value


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one, default=str, sort_keys=True) == json.dumps(other, default=str, sort_keys=True)


def _set(text: str, path: Sequence[Any], written: str) -> str:
    """``text`` with ``written`` as the value of the key."""
    block: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    for depth, part in enumerate(path):
        assert isinstance(block, yaml.MappingNode)
        rest = path[depth + 1 :]
        entry = next(((k, v) for k, v in block.value if k.tag != _MERGE and k.value == str(part)), None)
        if entry is None:
            return _insert(text, block, f"{flow(part)}: {_whole(text, path[: depth + 1], rest, written)}")
        key, node = entry
        alias = _alias(text, key)
        if not rest or alias or not isinstance(node, yaml.MappingNode):
            start, end = alias or _span(text, node)
            if alias and len(rest) == 1:  # what the alias stands for, with one key changed
                return f"{text[:start]}{{<<: {text[start:end]}, {flow(rest[0])}: {written}}}{text[end:]}"
            return _replaced(text, start, end, _whole(text, path[: depth + 1], rest, written), key)
        block = node
    raise AssertionError("a path has at least one part")


def _whole(text: str, path: Sequence[Any], rest: Sequence[Any], written: str) -> str:
    """What to write at ``path`` so that the key ``rest`` below it has its value, and all others what they had."""
    return flow(_nested(_value_at(text, path), rest, written)) if rest else written


def _replaced(text: str, start: int, end: int, written: str, key: yaml.Node) -> str:
    """The value between two places replaced; it stays behind its key and anchor, also where it was a block on lines
    below, and comments between them stay behind it."""
    if start <= key.end_mark.index or not text[key.end_mark.index : start].endswith((" ", "\n", "\t")):
        return f"{text[:start]} {written}{text[end:]}"
    if "\n" in text[key.end_mark.index : start]:
        colon = text.index(":", key.end_mark.index) + 1
        between = text[colon:start].rstrip()
        anchor = re.match(r"(?:[ \t]*&\S+)?", between)
        first = colon + (anchor.end() if anchor else 0)
        return f"{text[:first]} {written}{text[first : colon + len(between)]}{text[end:]}"
    return text[:start] + written + text[end:]


def _insert(text: str, mapping: yaml.MappingNode, entry: str) -> str:
    """Adds a key at the end of a mapping."""
    if mapping.flow_style:
        first, brace = text.index("{", mapping.start_mark.index) + 1, mapping.end_mark.index - 1
        inner = text[first:brace].rstrip()
        if "#" in inner:  # a comment at the end would swallow it
            return f"{text[:first]}{entry}, {text[first:]}"
        comma = "" if not inner or inner.endswith(",") else ","
        return text[:first] + f"{inner}{comma} {entry}".lstrip() + text[brace:]
    column = mapping.value[0][0].start_mark.column
    end = _end(text, mapping)
    stop = text.find("\n", end)
    stop = len(text) if stop < 0 else stop
    return f"{text[:stop]}\n{' ' * column}{entry}{text[stop:]}"


def _span(text: str, node: yaml.Node) -> tuple[int, int]:
    """Where a value stands, without an anchor before it."""
    anchor = re.compile(r"&\S+\s*(?:#[^\n]*\s*)*").match(text, node.start_mark.index)
    return (anchor.end() if anchor else node.start_mark.index), _end(text, node)


def _end(text: str, node: yaml.Node) -> int:
    """Where a value's own text ends: a block's mark lies behind the comments that follow it."""
    if isinstance(node, yaml.ScalarNode) or getattr(node, "flow_style", False) or not node.value:
        end = node.end_mark.index
        return len(text[:end].rstrip()) if end > node.start_mark.index else end
    last = node.value[-1]
    if isinstance(last, tuple):
        alias = _alias(text, last[0])
        return alias[1] if alias else max(_end(text, last[1]), last[0].end_mark.index + 1)
    return _end(text, last)


def _alias(text: str, key: yaml.Node) -> tuple[int, int] | None:
    """Where ``*name`` stands as a key's value; None where the value itself does."""
    match = re.compile(r"\s*:\s*(\*[^\s,\]}]+)").match(text, key.end_mark.index)
    return match.span(1) if match else None


def _value_at(text: str, path: Sequence[Any]) -> Any:
    value = read_text(text)
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _nested(block: Any, path: Sequence[Any], written: str) -> Any:
    """A copy of ``block`` with the value of ``written`` at ``path``."""
    nested = dict(block) if isinstance(block, dict) else {}
    nested[path[0]] = plain_value(written) if len(path) == 1 else _nested(nested.get(path[0]), path[1:], written)
    return nested


def _written(change: Change) -> str:
    """The user's own text where it reads the same between brackets, as ``5e-4``; else made from the value."""
    try:
        whole = not isinstance(change.value, (dict, list)) or change.text[:1] in ("{", "[")
        if change.text and whole and "#" not in change.text and _same(plain_value(f"[{change.text}]"), [change.value]):
            return change.text
    except yaml.YAMLError:
        pass
    return flow(change.value)


def flow(value: Any) -> str:
    """A value on one line of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(k)}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][\w./ -]*\w|[A-Za-z_]", value):
        return value if plain_value(value) == value else json.dumps(value)
    return json.dumps(value, ensure_ascii=False, default=str)
