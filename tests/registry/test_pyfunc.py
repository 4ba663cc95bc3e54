"""A served model answers row by row: a row that cannot be answered has its reason, and costs no other row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest

from scantune.records import ScantuneError
from scantune.registry.predictor import Answer
from scantune.registry.pyfunc import Model


class Echo:
    """Stands for the predictor: says which files it was asked about."""

    def answers(self, paths: Sequence[Path], batch_size: int) -> Iterator[Answer]:
        yield from (Answer({"prediction": Path(path).name}) for path in paths)


@pytest.fixture
def model() -> Model:
    served = Model.__new__(Model)
    served.predictor = Echo()  # type: ignore[assignment]
    return served


def test_rows_that_cannot_be_answered_have_reasons_in_their_place(model: Model, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "in").mkdir()
    for name in ("in/a.png", "in/b.png", "outside.png"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in" / "loop")
    monkeypatch.setenv("SCANTUNE_SERVED_FOLDERS", str(tmp_path / "in"))
    asked = [
        str(tmp_path / "in/a.png"), None, float("nan"), "", 7, str(tmp_path / "outside.png"), "https://x/y.png",
        str(tmp_path / "in/none.png"), "a\0b", str(tmp_path / "in" / "loop"), str(tmp_path / "in/b.png"),
    ]  # fmt: skip
    rows = model.predict(pd.DataFrame({"path": asked}, dtype=object))
    assert rows["prediction"].tolist()[0] == "a.png"
    assert rows["prediction"].tolist()[-1] == "b.png"
    reasons = rows["reason"].tolist()
    assert reasons[0] == reasons[-1] == ""
    assert reasons[1:5] == ["no path in this row"] * 4
    for reason, words in zip(
        reasons[5:10], ("outside the served folders", "not fetched", "no such file", "looked up", "")
    ):
        assert words in reason
        assert reason
        assert str(tmp_path) not in reason, "no path of the server leaves it"


def test_an_empty_table_gives_an_empty_table(model: Model) -> None:
    rows = model.predict(pd.DataFrame({"path": pd.Series([], dtype=object)}))
    assert list(rows.columns) == ["reason"]
    assert len(rows) == 0


@pytest.mark.parametrize("size", [0, -1, "8", True, 10**9])
def test_a_batch_size_that_is_none_is_refused(model: Model, size: object) -> None:
    with pytest.raises(ScantuneError, match="batch_size"):
        model.predict(pd.DataFrame({"path": ["a"]}), {"batch_size": size})
