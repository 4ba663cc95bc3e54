"""The linter sees all of the code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_no_folder_is_left_out_by_its_name() -> None:
    command = [sys.executable, "-m", "ruff", "check", "--show-files", "."]
    seen = {Path(line) for line in subprocess.check_output(command, cwd=ROOT, text=True).splitlines()}
    code = {path for folder in ("src", "stages", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")}
    assert code - seen == set()
