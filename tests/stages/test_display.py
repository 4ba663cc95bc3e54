"""What is shown of a sample comes from its display copy: after preprocess no stage reads a file of the cohort."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from scantune.preprocess import display_copy
from tests.stages.conftest import digits_params, experiment, run_stages


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the display copies of two digits, with maps of one sample in each group."""
    home = tmp_path_factory.mktemp("display")
    params = digits_params(240)
    params["datasets"]["digits"]["where"] = {"label": [0, 1]}
    params["experiments"] = {"small": experiment("small_cnn", epochs=1)}
    params["experiments"]["small"]["evaluate"] = {"draws": 200, "saliency": {"samples": 1, "checks": False}}
    (home / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    run_stages(home, *(f"{stage} digits" for stage in ("demo", "preprocess", "split")))
    return home


@pytest.fixture(scope="module")
def evaluated(copied: Path) -> Path:
    """The same, in which the digits are told apart."""
    run_stages(copied, "train small")
    run_stages(copied, "evaluate small", rendered=True)
    return copied


def pictures(home: Path) -> dict[str, bytes]:
    evaluate = home / "outputs/small/evaluate"
    shown = [
        path for path in sorted(evaluate.rglob("*")) if path.suffix in (".png", ".svg") or path.name == "cases.html"
    ]
    return {path.name: path.read_bytes() for path in shown}


@pytest.mark.slow
def test_without_the_files_the_report_has_the_same_pictures(evaluated: Path) -> None:
    before = pictures(evaluated)
    assert {"sheet.png", "errors.png"} & before.keys()
    assert b"data:image/png;base64," in before["cases.html"]
    assert 'href="cases.html"' in (evaluated / "outputs/small/evaluate/report.html").read_text()
    shutil.rmtree(evaluated / "data/demo")
    shutil.rmtree(evaluated / "outputs/small/evaluate")
    run_stages(evaluated, "evaluate small", rendered=True)
    assert (evaluated / "outputs/small/evaluate/report.html").is_file()
    assert pictures(evaluated) == before


@pytest.mark.slow
def test_a_copy_has_the_files_own_resolution(copied: Path) -> None:
    copies = sorted((copied / "data/cache/digits/display").iterdir())
    assert len(copies) == len(list((copied / "data/cache/digits/samples").iterdir()))
    copy = display_copy.read(copies[0])
    assert copy is not None
    assert copy.picture.shape == (8, 8)  # the network's tensors are 16 × 16
