"""A new SQLite store of MLflow, whole or not there: MLflow creates its tables in the file itself, for seconds."""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

from scantune.files import STAGED

_KIND = "sqlite:///"


def create(address: str) -> None:
    """Create the store at ``address`` where it is an SQLite file that does not exist yet.

    The tables are created in a file beside it, which then gets the name. A process that is killed meanwhile, a full
    disk or a second process on another machine therefore leaves no store of which some tables are there, which MLflow
    can neither open nor complete. Of two that create it at once the first one's is kept.

    Args:
        address: as of ``MLFLOW_TRACKING_URI``.

    Raises:
        Exception: what MLflow or SQLAlchemy raises where the file cannot be written.
    """
    path = Path(address.removeprefix(_KIND))
    if not address.startswith(_KIND) or "?" in address or path.exists() or not path.parent.is_dir():
        return
    from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    staged = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}{STAGED}")
    try:
        SqlAlchemyStore(f"{_KIND}{staged}", DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH).engine.dispose()
        _name(staged, path)
    finally:
        for left in (staged, staged.with_name(f"{staged.name}-journal")):
            left.unlink(missing_ok=True)


def _name(staged: Path, path: Path) -> None:
    """Give a file its name unless another has it: a link does so in one step, where the file system has links."""
    with contextlib.suppress(FileExistsError):
        try:
            os.link(staged, path)
        except FileExistsError:
            raise
        except OSError:
            if not path.exists():
                os.replace(staged, path)
