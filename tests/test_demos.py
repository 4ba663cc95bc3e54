"""Demo cohorts by name: found, installed or not; refused by name; marked as what they are."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from scantune import demos
from scantune.cohort.provenance import FILE, Provenance, read_provenance
from scantune.records import ScantuneError

SOURCE = Path(__file__).parents[1] / "src"


@dataclass(frozen=True)
class Dots:
    """A cohort of another package."""

    description: str = "dots"
    synthetic: bool = True
    written: list = field(default_factory=list)

    def write(self, out_dir: Path, *, seed: int, workers: int, n: int = 3) -> int:
        (out_dir / "dots.txt").write_text("." * n)
        return n


COHORTS = {"dots": Dots()}


def installed(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setattr(demos, "entry_points", lambda group: [EntryPoint("dots", value, group)])


def test_a_source_tree_that_is_not_installed_has_the_cohorts_too(monkeypatch):
    monkeypatch.setattr(demos, "entry_points", lambda group: [])
    assert set(demos.cohorts()) == {"angio", "cells", "csi", "digits", "echo", "loes"}


def test_an_entry_point_adds_its_cohorts(monkeypatch, tmp_path):
    installed(monkeypatch, f"{__name__}:COHORTS")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    assert {"dots", "digits"} <= set(demos.cohorts())
    assert demos.make("dots", tmp_path, n=5) == 5
    assert read_provenance(tmp_path) == Provenance("dots", synthetic=True, demo=True)
    with pytest.raises(ScantuneError, match=r"'dots' has no option 'm'; it has n"):
        demos.make("dots", tmp_path, m=5)


def test_two_cohorts_of_one_name_are_refused(monkeypatch):
    installed(monkeypatch, f"{__name__}:COHORTS")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    monkeypatch.setitem(COHORTS, "digits", Dots())
    with pytest.raises(ScantuneError, match="two packages provide a demo cohort 'digits'"):
        demos.cohorts()


def test_the_entry_point_of_this_project_is_the_one_that_is_looked_for_without_it():
    import tomllib

    project = tomllib.loads((SOURCE.parent / "pyproject.toml").read_text())["project"]
    assert list(project["entry-points"][demos.GROUP].values()) == [demos.BUNDLED]


def test_scantune_alone_has_no_demo_cohort_and_says_so(tmp_path):
    """A logged model carries scantune alone."""
    (tmp_path / "scantune").symlink_to(SOURCE / "scantune")
    code = (
        "from scantune import demos; demos.entry_points = lambda group: []\n"
        "try: demos.make('digits', 'x')\nexcept demos.ScantuneError as error: print(error)"
    )
    script = f"import sys; sys.path[:] = [p for p in sys.path if 'src' not in p]; sys.path.insert(0, {str(tmp_path)!r})"
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"{script}\n{code}"], capture_output=True, text=True, env={"PYTHONPATH": ""}
    )
    assert done.stdout.strip() == "there is no demo cohort 'digits'; there are none installed", done.stderr


@pytest.mark.parametrize(("name", "synthetic"), [("digits", False), ("cells", True)])
def test_a_cohort_says_in_its_folder_whether_it_is_synthetic(tmp_path, name, synthetic):
    demos.make(name, tmp_path, n=2, workers=1)
    assert json.loads((tmp_path / FILE).read_text())["synthetic"] is synthetic
