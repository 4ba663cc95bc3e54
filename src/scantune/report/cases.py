"""The page of cases as one HTML file: nothing is fetched, only its own script runs, and all text is escaped."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_TEMPLATES = Path(__file__).parent / "templates"


def html(data: Mapping[str, Any]) -> str:
    """The page.

    Args:
        data: what it shows, JSON-able; see :func:`scantune.pipeline.evaluate.cases.content`.
    """
    import jinja2
    import markupsafe

    style, script = (_TEMPLATES / "cases.css").read_text(encoding="utf-8"), script_of_page()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("cases.html.j2").render(
        name=data["name"],
        style=markupsafe.Markup(style),
        script=markupsafe.Markup(script),
        digest=markupsafe.Markup(digest),
        data=markupsafe.Markup(in_script(data)),
    )


def script_of_page() -> str:
    """What runs in the page: tables and judgements, then the list and the picture."""
    return "".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in ("cases_tables.js", "cases.js"))


def none() -> str:
    """What stands in the place of a page that was not asked for."""
    return '<!doctype html>\n<meta charset="utf-8">\n<title>No cases</title>\n<p>evaluate.cases is 0.</p>\n'


def in_script(data: Any) -> str:
    """JSON that may stand in a ``script`` element: no text in it ends the element or begins a comment."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
