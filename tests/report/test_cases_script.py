"""What the script of the page of cases computes, run by Node: judged as the report judges, CSV there and back."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scantune.config.evaluate import EvaluateConfig
from scantune.pipeline.evaluate import cases
from scantune.report import cases as page
from scantune.tasks.classification.settings import Classification
from scantune.tasks.errors import sample_errors
from scantune.tasks.multilabel.settings import Multilabel
from scantune.tasks.predictions import PredictionTable, write
from scantune.tasks.regression.settings import Regression
from scantune.tasks.segmentation.settings import Segmentation
from scantune.tasks.survival.settings import Survival
from scantune.tasks.zones.settings import Zones

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
N = 40
RNG = np.random.default_rng(0)

#: A page that has every element and shows nothing, and a browser that keeps nothing.
PAGE = """
const { script, data, code } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const known = { [Symbol.toPrimitive]: () => "", [Symbol.iterator]: function* () {}, value: "" };
const nothing = new Proxy(function () {}, {
  get: (_, key) => key in known ? known[key] : nothing,
  apply: () => nothing, set: () => true,
});
const getElementById = id => id === "data" ? { textContent: data } : nothing;
const document = new Proxy({}, { get: (_, key) => key === "getElementById" ? getElementById : nothing });
const browser = { document, window: nothing, Image: function () {}, clearInterval() {}, console };
const context = require("vm").createContext(browser);
Object.defineProperty(context, "localStorage", { get() { throw new Error("SecurityError"); } });
require("vm").runInContext(script + "\\n;globalThis.result = (" + code + ")();", context);
console.log(JSON.stringify(context.result));
"""


def ran(content: dict[str, Any], code: str) -> Any:
    """What a function returns in the page."""
    given = json.dumps({"script": page.script_of_page(), "data": json.dumps({"banners": [], **content}), "code": code})
    done = subprocess.run(["node", "-e", PAGE], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def content_of(table: PredictionTable, schema: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(cases, "weights_digest", lambda model: "0" * 12)
    block = SimpleNamespace(task=schema, evaluate=EvaluateConfig(cases=0))
    evaluation: Any = SimpleNamespace(
        block=block, table=table, key="x", name="", data="d", metrics={}, model=None,
        facts=SimpleNamespace(input={"modality": "image"}),
    )  # fmt: skip
    return cases.content(evaluation, sample_errors(table, schema))


def chances(*columns: str) -> dict[str, Any]:
    """Probabilities that sum to one."""
    p = RNG.dirichlet(np.ones(len(columns)), N)
    return {name: p[:, i] for i, name in enumerate(columns)}


def rows(**columns: Any) -> dict[str, Any]:
    return {"sample_id": [f"s{i}" for i in range(N)], "split": ["test"] * N, **columns}


TABLES: dict[str, tuple[Any, dict[str, Any]]] = {
    "classification": (Classification(target="y"), rows(target=list("abc" * 13 + "a"), **chances("p/a", "p/b", "p/c"))),
    "two classes by one column": (
        Classification(target="y", classes=["no", "yes"]),
        rows(target=["no", "yes"] * 20, **{"p/yes": RNG.uniform(size=N)}),
    ),
    "regression": (
        Regression(target="y", significant_error=1.0),
        rows(target=RNG.normal(size=N), prediction=RNG.normal(size=N)),
    ),
    "several numbers": (
        Regression(targets={"a": {"significant_error": 0.5}, "b": {"significant_error": 1.5}}),
        rows(**{f"{kind}/{name}": RNG.normal(size=N) for name in "ab" for kind in ("target", "prediction")}),
    ),
    "segmentation": (Segmentation(classes=("background", "lesion")), rows(dice=RNG.uniform(size=N))),
    "zones": (
        Zones(zones=("left", "right"), grades=2),
        rows(
            **{f"target/{zone}": RNG.choice(["0", "1", "ungradable"], N) for zone in ("left", "right")},
            **chances("p/left/0", "p/left/1", "p/left/ungradable"),
            **chances("p/right/0", "p/right/1", "p/right/ungradable"),
        ),
    ),
    "findings": (
        Multilabel(findings=("mass", "edema")),
        rows(
            **{f"target/{name}": RNG.choice(["0", "1", ""], N) for name in ("mass", "edema")},
            **{f"p/{name}": RNG.uniform(size=N) for name in ("mass", "edema")},
        ),
    ),
    "findings by their set": (
        Multilabel(findings=("mass", "edema")),
        rows(
            **{f"target/{name}": RNG.choice(["0", "1", ""], N) for name in ("mass", "edema")},
            **{f"p/{name}": RNG.uniform(size=N) for name in ("mass", "edema")},
            set=RNG.choice(["", "mass", "edema", "mass|edema"], N),
        ),
    ),
    "survival": (
        Survival(time="t", event="e", horizons=(2.0,)),
        rows(
            **{"target/t": RNG.uniform(0, 5, N), "target/e": RNG.integers(0, 2, N), "prediction": RNG.normal(size=N)},
            **{Survival(time="t", event="e", horizons=(2.0,)).probability_columns()[-1]: RNG.uniform(size=N)},
        ),
    ),
}
COMPARED = """() => {
  const told = compare(FILE, "other.csv"), other = c => c.other || { own: null, wrong: null };
  return [told, D.cases.map(c => [c.id, c.wrong, other(c).own, other(c).wrong])];
}"""


@pytest.mark.parametrize("name", TABLES)
def test_another_model_is_judged_as_the_report_judges_this_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its own predictions.csv a model never disagrees, and each verdict is that of the list of errors."""
    schema, columns = TABLES[name]
    table = PredictionTable.make(columns)
    content = content_of(table, schema, monkeypatch)
    write(table, tmp_path / "predictions.csv")
    told, judged = ran(content, COMPARED.replace("FILE", json.dumps((tmp_path / "predictions.csv").read_text())))
    assert told.startswith(
        f"other.csv: {N} of {N} cases. disagree: 0; only this one wrong: 0; only the other wrong: 0;"
    )
    assert any(wrong for _, wrong, *_ in judged)
    for sample_id, wrong, own, theirs in judged:
        assert own == theirs, sample_id
        assert bool(own) == bool(wrong), sample_id


def test_what_only_one_of_two_models_has_right(monkeypatch: pytest.MonkeyPatch) -> None:
    schema, columns = TABLES["classification"]
    columns = columns | {
        "target": ["a"] * N,
        "p/a": [0.8] * 20 + [0.2] * 20,
        "p/b": [0.1] * 20 + [0.7] * 20,
        "p/c": [0.1] * N,
    }
    content = content_of(PredictionTable.make(columns), schema, monkeypatch)
    lines = [
        "\ufeffsplit;sample_id;p/a;p/b;p/c",
        *(f"test;s{i};0.1;{0.2 + i % 2};0.7" for i in range(10)),
        "validation;s30;0.9;0.1;0",
        "test;s30;1;0;0",
    ]
    told, judged = ran(content, COMPARED.replace("FILE", json.dumps("\r\n".join(lines))))
    assert told.startswith(
        "other.csv: 11 of 40 cases. disagree: 11; only this one wrong: 1; only the other wrong: 10; both wrong: 0"
    )
    assert [entry[0] for entry in judged if entry[2] is True and entry[3] is False] == ["s30"]
    for file, why in (
        ("sample_id,dice\ns1,0.5\n", "of another task: it lacks the columns p/a"),
        ("a,b\n1,2\n", "none of these samples"),
    ):
        assert why in ran(content, COMPARED.replace("FILE", json.dumps(file)))[0]


def test_other_references_of_the_same_samples_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    schema, columns = TABLES["regression"]
    content = content_of(PredictionTable.make(columns), schema, monkeypatch)
    lines = [f"s{i},{columns['target'][i] + (i == 3)},0.5" for i in range(N)]
    file = "\n".join(["sample_id,target,prediction", *lines])
    told, _ = ran(content, COMPARED.replace("FILE", json.dumps(file)))
    assert told.startswith("other.csv: 40 of 40 cases, 1 with another reference than here, by which they are judged. ")


@pytest.mark.parametrize(("overlapping", "drawn"), [(True, [0, 1, 0, 1]), (False, [0, 1, 0, 0])])
def test_the_outline_of_a_class_does_not_follow_those_that_overlap_it(overlapping: bool, drawn: list[int]) -> None:
    content = {"cases": [], "judgements": [], "groups": [], "classes": [], "colours": [], "overlapping": overlapping}
    assert ran(content, "() => [0, 1, 2, 3].map(k => drawn(k, 1))") == drawn
    assert ran(content, "() => [0, 1, 2, 3].map(k => drawn(k, 0))") == [0, 1, 2, 3]


def test_notes_come_back_as_they_were_written(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = TABLES["regression"][1] | {"sample_id": ["=1+2", '"a,b"', "__proto__", *(f"s{i}" for i in range(3, N))]}
    content = content_of(PredictionTable.make(columns), TABLES["regression"][0], monkeypatch)
    texts = ['@x, "quoted"\nsecond line', "-5", "'=y", "ligne é; 肺炎"]
    code = f"""() => {{
      const texts = {json.dumps(texts)}, ids = ["=1+2", '"a,b"', "__proto__", "s3"];
      ids.forEach((id, i) => keep(id, ["agree", "", "exclude", "label doubtful"][i], texts[i]));
      const written = toCSV(), before = JSON.stringify(ids.map(id => notes[id]));
      ids.forEach(id => keep(id, "", ""));
      const empty = toCSV(), told = fromCSV(written + "nobody,agree,\\n");
      return [written, before === JSON.stringify(ids.map(id => notes[id])), empty, told, fromCSV("a\\n1\\n")];
    }}"""
    written, same, empty, told, refused = ran(content, code)
    assert same
    assert written.splitlines()[0] == "sample_id,mark,note"
    assert not any(line.startswith(("=", "@", ",=", ",@")) for line in written.splitlines())
    assert empty == "sample_id,mark,note\n"
    assert told == "4 imported, 1 of other samples left out. "
    assert "no column sample_id" in refused
    own = "sample_id,mark,note\ns3,to discuss,why\n"
    assert ran(content, f"() => {{ fromCSV({json.dumps(own)}); return notes.s3; }}") == {
        "mark": "",
        "note": "to discuss: why",
    }
