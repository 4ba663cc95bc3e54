import csv
from pathlib import Path

import pytest

from scantune.config.dataset import DatasetConfig


@pytest.fixture
def table(tmp_path: Path):
    """Write a table below tmp_path; give its bytes or its rows."""

    def write(content: str | bytes | list[list[str]], name: str = "cohort.csv") -> Path:
        path = tmp_path / name
        if isinstance(content, list):
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(content)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def dataset(tmp_path: Path):
    """A dataset block rooted at tmp_path."""

    def make(**keys) -> DatasetConfig:
        return DatasetConfig(**{"root": str(tmp_path), "table": "cohort.csv", **keys})

    return make
