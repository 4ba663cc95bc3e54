"""A stage's ``python`` is the one that runs DVC, whatever the shell's own is, and without an activated environment."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest
import yaml

from tests.stages.conftest import ROOT

PTH = "src/scantune_python.pth"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of an environment with all packages of this one, and the file that comes with scantune."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home / ".venv", symlinks=True)
    packages = next((home / ".venv/lib").glob("python*/site-packages"))
    (packages / "all.pth").write_text(sysconfig.get_path("purelib") + "\n")
    shutil.copy2(ROOT / PTH, packages)
    return home / ".venv/bin"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one stage that writes which interpreter runs it."""
    command = "python -c \"import sys; print(sys.executable, file=open('out', 'w'))\""
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"one": {"cmd": command, "outs": ["out"]}}}))
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--no-scm"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/usr/bin:/bin", "/nowhere:/bin"])
def test_stages_run_by_the_python_of_dvc(environment, project, path):
    environ = {"PATH": path, "HOME": str(project), "DVC_NO_ANALYTICS": "true"}
    subprocess.run([environment / "python", "-m", "dvc", "repro"], cwd=project, env=environ, check=True)
    assert (project / "out").read_text().strip() == str(environment / "python")


@pytest.mark.parametrize(
    ("arguments", "changed"), [(["-m", "dvc"], True), (["-m", "mlflow"], True), (["-c", "dvc"], True), (["x"], False)]
)
def test_the_path_of_other_programs_stays(arguments, changed):
    line = (ROOT / PTH).read_text()
    script = f"import os, sys; sys.orig_argv = ['python', *{arguments!r}]\n{line}\nprint(os.environ['PATH'])"
    completed = subprocess.run(
        [sys.executable, "-c", script], env={"PATH": "/bin"}, capture_output=True, text=True, check=True
    )
    assert completed.stdout.strip() == (f"{Path(sys.executable).parent}:/bin" if changed else "/bin")


def test_the_file_is_part_of_the_package():
    included = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert included["force-include"] == {PTH: "scantune_python.pth"}


@pytest.mark.parametrize(("made_in", "kept"), [("", True), ("here", True), ("/somewhere/else", False)])
def test_make_makes_the_environment_of_a_moved_project_again(tmp_path, made_in, kept):
    shutil.copy2(ROOT / "Makefile", tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/.ready").write_text(str(tmp_path) if made_in == "here" else made_in)
    subprocess.run(["make", "--dry-run", "clean"], cwd=tmp_path, capture_output=True, check=False)
    assert (tmp_path / ".venv").is_dir() is kept
