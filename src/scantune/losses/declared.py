"""Losses registered in the source of a module, read without importing it and torch: names and options."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Arguments that are not options, because the engine passes them.
NOT_OPTIONS = frozenset({"output", "target"})


@dataclass(frozen=True)
class Declared:
    """A function decorated by ``@register``.

    Attributes:
        name: of the loss.
        targets: kinds of targets that the loss fits; empty for any.
        short: name shared with losses of other targets, or None.
        options: name to annotation as in the source; "" without annotation.
    """

    name: str
    targets: tuple[str, ...]
    short: str | None
    options: dict[str, str]


def read(path: Path) -> Iterator[Declared]:
    """The losses that a module registers by ``@register("<name>", …)`` or ``@losses.register("<name>", …)``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in tree.body:
        for call in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
            if isinstance(call, ast.Call) and _name(call.func) == "register" and call.args:
                yield _declared(call, node, constants)  # type: ignore[arg-type]


def _declared(call: ast.Call, function: ast.FunctionDef, constants: dict[str, ast.expr]) -> Declared:
    def value(node: ast.expr) -> Any:
        return ast.literal_eval(constants[node.id] if isinstance(node, ast.Name) else node)

    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    kinds = value(keywords["targets"]) if "targets" in keywords else ()
    arguments = [a for a in (*function.args.args, *function.args.kwonlyargs) if a.arg not in NOT_OPTIONS]
    return Declared(
        name=value(call.args[0]),
        targets=(kinds,) if isinstance(kinds, str) else tuple(kinds),
        short=value(keywords["short"]) if "short" in keywords else None,
        options={
            a.arg: ast.unparse(a.annotation) if a.annotation else "" for a in arguments if a.arg not in NOT_OPTIONS
        },
    )


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
