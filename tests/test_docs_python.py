"""The page on the parts is one program: it runs as it stands."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


@pytest.fixture(autouse=True)
def _nothing_new_by_name():
    from scantune.losses import registry
    from scantune.tasks import directions

    tables = (registry._TABLE, directions.CUSTOM, directions.CUSTOM_DIRECTIONS)
    before = [dict(table) for table in tables]
    yield
    for table, held in zip(tables, before):
        table.clear()
        table.update(held)


def test_the_page_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) > 5
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["value"] < 5
    assert len(list((tmp_path / "checkpoints").glob("*.safetensors"))) == 2
    assert "100.0% of the parameters loaded" in capsys.readouterr().out
