"""The page on the parts is one program: it runs as it stands."""

import re
from pathlib import Path

import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


@pytest.fixture(autouse=True)
def _nothing_new_by_name():
    from scantune.losses import registry
    from scantune.tasks import directions

    list(registry.described())  # all modules are imported, into the table as it was
    tables = (registry._TABLE, directions.CUSTOM)
    before = [dict(table) for table in tables]
    yield
    for table, entries in zip(tables, before):
        table.clear()
        table.update(entries)


def test_the_page_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) > 5
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["value"] < 5
    assert len(list((tmp_path / "checkpoints").glob("*.safetensors"))) == 2
    printed = capsys.readouterr().out
    assert "100.0% of the parameters loaded" in printed
    _numbers_are_right(names, printed)


def _numbers_are_right(names: dict, printed: str) -> None:
    """What the part on statistics prints, against SciPy, scikit-learn and the definition."""
    truth, predicted = names["truth"], names["said"]
    rho, low, high = re.search(r"\n(\S+) Interval\(lower=(\S+), upper=(\S+), ", printed).groups()
    bias, area = printed.strip().splitlines()[-2:]
    assert float(rho) == pytest.approx(spearmanr(truth, predicted)[0])
    assert float(low) < float(rho) < float(high)
    assert float(bias.removeprefix("np.float64(").rstrip(")")) == pytest.approx((predicted - truth).mean())
    lower, upper = (float(v) for v in area.strip("()").split(", "))
    assert lower < roc_auc_score(truth > 10, predicted) < upper < 1
