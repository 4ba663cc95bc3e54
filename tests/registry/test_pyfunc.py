"""A served model answers row by row: a row that cannot be answered has its reason, and costs no other row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import models, pyfunc
from mlflow.exceptions import MlflowException

from scantune.models.covariates import Covariates
from scantune.registry.predictor import Answer, Predictor
from scantune.registry.pyfunc import Model
from scantune.tracking.models import signature


class Echo:
    """Stands for the predictor: says which files it was asked about."""

    covariates = None

    def answers(self, paths: Sequence[Path], batch_size: int, cells: object) -> Iterator[Answer]:
        yield from (Answer({"prediction": Path(path).name}) for path in paths)


@pytest.fixture
def model() -> Model:
    served = Model.__new__(Model)
    served.predictor, served.served = Echo(), False  # type: ignore[assignment]
    return served


def test_rows_that_cannot_be_answered_have_reasons_in_their_place(model: Model) -> None:
    paths = ["a.png", None, float("nan"), "", 7, "https://x/y.png", "b.png"]
    rows = model.predict(pd.DataFrame({"path": paths}, dtype=object))
    assert [rows["prediction"].tolist()[at] for at in (0, -1)] == ["a.png", "b.png"]
    reasons = rows["reason"].tolist()
    assert reasons[0] == reasons[-1] == ""
    assert all(re.search("no path in this row|a row names one file", reason) for reason in reasons[1:5])
    assert "not fetched" in reasons[5]


def test_an_empty_table_gives_an_empty_table(model: Model) -> None:
    rows = model.predict(pd.DataFrame({"path": pd.Series([], dtype=object)}))
    assert list(rows.columns) == ["reason"]
    assert len(rows) == 0


@pytest.mark.parametrize(
    "paths",
    [
        [],
        [np.nan],
        [5.0, np.inf],
        [True],
        pd.Categorical(["a.png", None]),
        pd.array(["a.png", pd.NA], dtype="string"),
        [pd.Timestamp(0)],
    ],
)
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred")  # MLflow's own types, when it is imported
def test_behind_the_signature_too_each_row_has_an_answer_or_a_reason(model: Model, paths: Sequence) -> None:
    logged = models.Model(signature=signature({"prediction": "string"}), flavors={"python_function": {"env": {}}})
    rows = pyfunc.PyFuncModel(model_meta=logged, model_impl=model).predict(pd.DataFrame({"path": paths}))
    for path, reason in zip(paths, rows["reason"], strict=True):
        expected = "" if isinstance(path, str) else "no path in this row|the path of this row is .*; a row"
        assert re.match(expected or "$", reason)


@pytest.mark.parametrize("size", [0, -1, "8", True, 10**9])
def test_a_batch_size_that_is_none_is_refused(model: Model, size: object) -> None:
    with pytest.raises(MlflowException, match="batch_size"):
        model.predict(pd.DataFrame({"path": ["a"]}), {"batch_size": size})


def test_a_level_that_training_lacks_is_told_in_the_answer_and_the_log(
    model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    known = Covariates.fit([{"site": "a"}, {"site": "b"}], {"site": "auto"})

    class Bare(Predictor):
        covariates = known  # type: ignore[assignment]

        def __init__(self) -> None:
            pass

        def _answers(self, samples: object, batch_size: int, rows: list[np.ndarray] | None) -> Iterator[Answer]:
            yield from (Answer({"prediction": "nan" if np.isnan(row[0]) else "known"}) for row in rows or ())

    model.predictor = Bare()
    table = pd.DataFrame({"path": ["1.png", "2.png", "3.png"], "site": ["a", "c", None]})
    rows = model.predict(table)
    assert rows["prediction"].tolist() == ["known", "nan", "nan"]
    assert rows["note"].tolist() == ["", "site 'c' is not among the levels of the training set, taken for unknown", ""]
    assert "site: 'c' (1) not among the levels of the training set" in caplog.text
    assert "note" not in model.predict(table.iloc[[0, 2]]).columns


def test_samples_of_a_model_with_covariates_are_taken_as_they_are_needed() -> None:
    known = Covariates.fit([{"site": "a"}, {"site": "b"}], {"site": "auto"})

    class Bare(Predictor):
        covariates = known  # type: ignore[assignment]

        def __init__(self) -> None:
            pass

        def _answers(self, samples: object, batch_size: int, rows: object) -> Iterator[Answer]:
            yield from (Answer({"prediction": sample}) for sample in samples)  # type: ignore[attr-defined]

    taken: list[str] = []
    answers = Bare().answers((taken.append(name) or name for name in "abc"), 1, [{"site": "a"}] * 3)
    assert next(answers).values == {"prediction": "a"}
    assert taken == ["a"], "the others may have to be fetched"
    assert [answer.values["prediction"] for answer in answers] == ["b", "c"]


@pytest.mark.parametrize(
    ("path", "words"),
    [(np.int64(3), "3"), (2.5, "2.5"), (np.array(["a.png"]), "a list"), (["a.png"], "a list"), ({"a": 1}, "{'a': 1}")],
)
def test_a_path_of_another_type_is_named(model: Model, path: object, words: str) -> None:
    (reason,) = model.predict(pd.DataFrame({"path": pd.Series([path], dtype=object)}))["reason"]
    assert reason.startswith(f"the path of this row is {words}; a row names one file")
