"""What the source of a module says of the losses in it, read without importing it: names and options before torch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Arguments that are no options: the engine gives them.
NOT_OPTIONS = frozenset({"output", "target"})


@dataclass(frozen=True)
class Declared:
    """A function under ``@register``.

    Attributes:
        name: of the loss.
        targets: kinds of targets that it takes; empty for any.
        short: a name that it shares with losses of other targets, or None.
        options: name to annotation as written; "" where there is none.
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

    stated = {keyword.arg: keyword.value for keyword in call.keywords}
    kinds = value(stated["targets"]) if "targets" in stated else ()
    arguments = [a for a in (*function.args.args, *function.args.kwonlyargs) if a.arg not in NOT_OPTIONS]
    return Declared(
        name=value(call.args[0]),
        targets=(kinds,) if isinstance(kinds, str) else tuple(kinds),
        short=value(stated["short"]) if "short" in stated else None,
        options={
            a.arg: ast.unparse(a.annotation) if a.annotation else "" for a in arguments if a.arg not in NOT_OPTIONS
        },
    )


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
