"""The page on extensions: each section is short, and its examples work once registered, in a process of their own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "extending.md"
SECTIONS = ("A loss", "A metric", "A backbone", "A task", "A cohort")

CHECKS = """
import importlib
from pathlib import Path

import numpy as np
import torch

for name in ("log_cosh", "within_one", "two_layers", "count"):
    importlib.import_module(f"plugins.{name}")

from scantune import demos, losses, models
from scantune.tasks import catalogue, directions
from scantune.tasks.build import build_task

loss = losses.build({"name": "log_cosh", "scale": 0.5}, targets="numbers")
error = torch.tensor([0.3, -2.0], requires_grad=True)
value = loss(error, torch.zeros(2)).mean()
expected = 0.25 * np.log(np.cosh(np.array([0.6, -4.0]))).mean()
assert abs(float(value.detach()) - expected) < 1e-6, value
value.backward()
assert torch.isfinite(error.grad).all()

assert directions.direction("val_within_one") == "max"
from plugins.within_one import within_one
assert within_one(np.array([1.0, 2.0, 3.0]), np.array([1.5, 4.0, 2.0])) == 2 / 3

backbone = models.build("two_layers", modality="image", in_channels=1, width=24)
assert backbone.feature_dim == 48
assert backbone(torch.zeros(2, 1, 32, 32)).shape == (2, 48)

assert "count" in catalogue.names()
settings = catalogue.part("count", "settings").Settings(target="lesions")
task = build_task(settings)
assert task.name == "count" and task.outputs == 1 and task.encode({"lesions": "3"}).tolist() == [3]
assert catalogue.part("count", "words").TASK and catalogue.part("count", "figures").CAPTIONS

demos.make("squares", "cohort", seed=1, n=4)
first = Path("cohort/1.png").read_bytes()
demos.make("squares", "again", seed=1, n=4)
assert first == Path("again/1.png").read_bytes()
assert Path("cohort/scantune_cohort.json").exists() and len(Path("cohort/cohort.csv").read_text().split()) == 5
print("all work")
"""


def sections() -> dict[str, str]:
    parts = re.split(r"^## (.+)\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the page's examples as files, and the cohorts' package as one that is installed."""
    for name, code in re.findall(r"```python\n# (\S+\.py)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(code, encoding="utf-8")
    installed = tmp_path / "my_cohorts-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: my-cohorts\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[scantune.cohorts]\nmine = my_cohorts:COHORTS\n")
    return tmp_path


def test_each_section_is_at_most_forty_lines():
    lengths = {title: text.rstrip().count("\n") + 2 for title, text in sections().items()}
    assert tuple(lengths) == SECTIONS
    assert max(lengths.values()) <= 40, lengths


@pytest.mark.slow
def test_every_example_works_once_registered(project: Path):
    environment = {"PYTHONPATH": f"{ROOT / 'src'}:{project}", "PATH": "/usr/bin:/bin", "HOME": str(project)}
    command = [sys.executable, "-c", CHECKS]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("all work\n")
