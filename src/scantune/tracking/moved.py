"""A project that was moved, copied or renamed: the addresses in its own SQLite store lead to where it is now.

MLflow keeps absolute addresses of artifacts, so that a copy would go on writing into the project it was copied from.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import unquote, urlparse
from urllib.request import url2pathname

from scantune.files import write_text

ARTIFACTS = "mlartifacts"
#: Tables of MLflow's store and their columns with addresses.
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)


def follow(home: Path) -> str:
    """Let the addresses in a project's store lead into the project's folder.

    Args:
        home: the project's folder; its store is ``mlflow.db``, its artifacts ``mlartifacts``.

    Returns:
        What was done, for the terminal; "" where nothing was to be done.
    """
    store, here = home / "mlflow.db", (home / ARTIFACTS).as_uri()
    if not store.is_file():
        return ""
    with contextlib.closing(sqlite3.connect(store, timeout=30)) as database:
        try:
            places = {place for (place,) in database.execute("SELECT artifact_location FROM experiments")}
        except sqlite3.OperationalError:  # a store that MLflow has not set up yet
            return ""
        former = sorted(p for p in places if p and p != here and p.startswith("file:") and p.endswith(f"/{ARTIFACTS}"))
        with database:
            changed = sum(_replace(database, place, here) for place in former)
            for place in former:  # of the experiment that MLflow makes by itself
                _replace(database, str(_folder(place).parent / "mlruns"), str(home / "mlruns"))
    if not former:
        return ""
    _follow_models(home / ARTIFACTS, former, here)
    where = ", ".join(str(_folder(place).parent) for place in former)
    lost = (
        "" if (home / ARTIFACTS).is_dir() else f". There is no {ARTIFACTS}/ here: bring it too, or run scantune restore"
    )
    return f"this project was in {where}: {changed} addresses in mlflow.db lead to this folder now{lost}"


def _replace(database: sqlite3.Connection, former: str, here: str) -> int:
    """Change the beginning of every address that is or lies below ``former``; how many there were."""
    changed = 0
    for table, column in _ADDRESSES:
        cursor = database.execute(
            f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {column} = ? OR substr({column}, 1, ?) = ?",
            (here, len(former) + 1, former, len(former) + 1, f"{former}/"),
        )
        changed += cursor.rowcount
    return changed


def _follow_models(artifacts: Path, former: list[str], here: str) -> None:
    """Change the address that each logged model states in its file ``MLmodel``."""
    for path in artifacts.glob("models/*/artifacts/MLmodel"):
        text = path.read_text(encoding="utf-8")
        changed = text
        for place in former:
            changed = changed.replace(f"artifact_path: {place}/", f"artifact_path: {here}/")
        if changed != text:
            write_text(path, changed)


def _folder(address: str) -> Path:
    return Path(url2pathname(unquote(urlparse(address).path)))
