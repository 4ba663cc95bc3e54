"""MLflow stores of test projects: their tables are copied from a first one.

MLflow builds the tables of a SQLite store by some forty migrations, which take most of a second, and many tests have a
store of their own. Commands in a process of their own, without ``tests/forking.py``, have them built by MLflow.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path


@cache
def copy_tables(first: Path) -> None:
    """From here on the tables of an empty SQLite store are copied, in this process and its forks.

    Args:
        first: the store to copy from; made here.
    """
    import sqlalchemy
    from mlflow.store.db import utils
    from mlflow.store.model_registry import sqlalchemy_store as registry

    initialize = utils._initialize_tables
    engine = sqlalchemy.create_engine(f"sqlite:///{first}")
    initialize(engine)
    engine.dispose()

    def copied(engine: sqlalchemy.Engine) -> None:
        if engine.url.get_backend_name() == "sqlite" and utils._is_empty_database(engine):
            with closing(sqlite3.connect(first)) as tables, closing(sqlite3.connect(engine.url.database)) as store:
                tables.backup(store)
            engine.dispose()
        else:
            initialize(engine)

    utils._initialize_tables = registry._initialize_tables = copied
