"""A file of YAML as plain values: as DVC reads it, with unique keys and limits on its size."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import yaml

from scantune.amounts import number_of
from scantune.records import ScantuneError

#: The most that is read of params.yaml: what a person writes has a hundredth of it.
MAX_LETTERS, MAX_VALUES, MAX_DEPTH = 5_000_000, 200_000, 200


class ConfigError(ScantuneError):
    """What is wrong in ``params.yaml``, all of it, a line each."""

    def __init__(self, faults: list[str], name: str = "params.yaml") -> None:
        self.faults = faults
        lines = "\n".join(f"  {fault}" for fault in faults)
        super().__init__(f"{name} has {number_of(len(faults), 'fault')}:\n{lines}")


class _SafeLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml's where it is
    """Safe YAML as DVC reads it (1.2: ``on`` and ``1:30`` are words, ``1e-4`` a number, ``010`` is 10 and not 8) that
    refuses a key written twice."""


_INT = "tag:yaml.org,2002:int"
_WORDS = {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:float", _INT}
_SafeLoader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag not in _WORDS]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
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
_SafeLoader.add_implicit_resolver(
    _INT, re.compile(r"^[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)$"), list("-+0123456789")
)


def _integer(loader: _SafeLoader, node: yaml.ScalarNode) -> int:
    text = node.value.replace("_", "")
    base = {"0b": 2, "0o": 8, "0x": 16}.get(text.lstrip("+-")[:2].lower(), 10)
    try:
        return int(text, base)
    except ValueError:
        raise yaml.constructor.ConstructorError(None, None, f"{node.value!r} is no integer", node.start_mark) from None


_SafeLoader.add_constructor(_INT, _integer)


def _mapping(loader: _SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    line_of: dict[Any, int] = {}
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":  # `<<: *other`: what stands beside it wins
            continue
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise ConfigError([f"line {line}: a key is a list or a block; put a name that has brackets in quotes"])
        key = loader.construct_object(key_node)  # type: ignore[no-untyped-call]
        if key in line_of:
            raise ConfigError([f"line {line}: the key {key!r} is already in line {line_of[key]}; keep one of the two"])
        line_of[key] = line
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_SafeLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


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
        words = f"{len(text):,} letters; at most {MAX_LETTERS:,} are read; put long lists into a table"
        raise ConfigError([words], name)
    if _depth(text) > MAX_DEPTH:
        words = f"brackets within brackets: at most {MAX_DEPTH} are read; write blocks on lines of their own"
        raise ConfigError([words], name)
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
