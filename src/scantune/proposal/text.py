"""Blocks as YAML with a comment on each line that has a reason, and their insertion into the text of params.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from scantune.records import ScantuneError

_WIDTH = 118
Reasons = Mapping[str, str]


def written(
    blocks: Mapping[str, Mapping[str, Any]], reasons: Mapping[tuple[str, str], Reasons]
) -> dict[str, list[str]]:
    """Lines of each group, indented by two.

    Args:
        blocks: group → name → block.
        reasons: (group, name) → key with dots → reason.
    """
    by_group: dict[str, list[str]] = {}
    for group, members in blocks.items():
        lines = by_group.setdefault(group, [])
        for name, block in members.items():
            why = reasons.get((group, name), {})
            lines.append(f"  {_flow(name)}:")
            lines += _block(block, why, "", 4)
    return by_group


def joined(notes: Sequence[str], lines: Mapping[str, Sequence[str]]) -> str:
    """All groups as one text with the notes above."""
    head = [f"# {line}" for note in notes for line in note.splitlines()]
    return "\n".join([*head, *(line for group, body in lines.items() for line in (f"{group}:", *body))]) + "\n"


def inserted(text: str, lines: Mapping[str, Sequence[str]], notes: Sequence[str]) -> str:
    """The text of params.yaml with the blocks at the end of their groups; all else does not change.

    Raises:
        ScantuneError: a group is written in a form that cannot be extended, such as ``datasets: {a: {…}}``.
    """
    for number, (group, body) in enumerate(lines.items()):
        notes_here = [f"  # {note}" for note in notes] if number == 0 else []
        text = _into(text, group, [*notes_here, *body])
    return text


def _into(text: str, group: str, body: Sequence[str]) -> str:
    rows = text.splitlines()
    at = next((i for i, row in enumerate(rows) if re.match(rf"{group}\s*:", row)), None)
    if at is None:
        return "\n".join([*rows, "", f"{group}:", *body]) + "\n"
    rest = re.sub(r"\s#.*$", "", rows[at].split(":", 1)[1]).strip()
    if rest not in ("", "{}", "null", "~"):
        raise ScantuneError(
            f"params.yaml, line {at + 1}: {group} is written on one line; write its blocks below it first"
        )
    if rest:
        rows[at] = f"{group}:"
    end = next((i for i in range(at + 1, len(rows)) if re.match(r"[^\s#]", rows[i])), len(rows))
    while end > at + 1 and (not rows[end - 1].strip() or rows[end - 1].startswith("#")):
        end -= 1
    indent = next(
        (len(r) - len(r.lstrip()) for r in rows[at + 1 : end] if r.strip() and not r.lstrip().startswith("#")), 2
    )
    shifted = [" " * (indent - 2) + line for line in body]
    return "\n".join([*rows[:end], *shifted, *rows[end:]]) + "\n"


def _block(block: Mapping[str, Any], reasons: Reasons, path: str, indent: int) -> list[str]:
    lines: list[str] = []
    for key, value in block.items():
        place = f"{path}{key}"
        deeper = isinstance(value, Mapping) and any(name.startswith(f"{place}.") for name in reasons)
        pad = " " * indent
        if deeper:
            lines += [*_comment(pad, reasons.get(place)), f"{pad}{_flow(key)}:"]
            lines += _block(value, reasons, f"{place}.", indent + 2)
            continue
        line = f"{pad}{_flow(key)}: {_flow(value)}"
        reason = reasons.get(place)
        if reason and len(line) + len(reason) + 4 <= _WIDTH:
            lines.append(f"{line}  # {reason}")
        else:
            lines += [*_comment(pad, reason), line]
    return lines


def _comment(pad: str, reason: str | None) -> list[str]:
    import textwrap

    width = _WIDTH - len(pad) - 2
    return [f"{pad}# {part}" for part in textwrap.wrap(reason, width)] if reason else []


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, sort_keys=False, default_flow_style=True, width=10**6, allow_unicode=True)
    return text.removesuffix("...\n").strip()
