from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from scantune.engine.slurm import Job, script, write
from scantune.records import ScantuneError

JOB = Job("loes", ("python", "stages/train.py", "it's"), nodes=2, gpus_per_node=4, partition="gpu", time="1-00:00:00")


def test_script_is_shell_and_says_what_is_asked_for(tmp_path: Path) -> None:
    path = write(JOB, tmp_path / "loes.sbatch")
    subprocess.run(["bash", "-n", str(path)], check=True)
    text = path.read_text()
    for line in (
        "--nodes=2",
        "--ntasks-per-node=4",
        "--gpus-per-node=4",
        "--partition=gpu",
        "--time=1-00:00:00",
        "--requeue",
        "--open-mode=append",
        "--signal=B:TERM@120",
    ):
        assert f"#SBATCH {line}\n" in text
    assert "srun --kill-on-bad-exit=1 python stages/train.py 'it'\"'\"'s' &" in text
    assert "MASTER_ADDR" in text
    assert "--account" not in text


@pytest.mark.parametrize("code,restarts,requeued", [(143, 0, True), (143, 20, False), (0, 0, False), (1, 0, False)])
def test_a_stopped_training_goes_back_to_the_queue_and_no_other(
    tmp_path: Path, code: int, restarts: int, requeued: bool
) -> None:
    """The script run by bash, with stand-ins for SLURM's commands."""
    commands = {"srun": f"exit {code}", "scontrol": f'echo "$@" >> {tmp_path / "asked"}; echo node1', "scancel": "true"}
    _stand_ins(tmp_path, commands)
    ended = subprocess.run(
        ["bash", str(write(JOB, tmp_path / "job.sh"))], env=_environment(tmp_path, restarts), check=False
    )
    assert ended.returncode == code
    assert ("requeue 77" in (tmp_path / "asked").read_text()) == requeued


def test_the_signal_reaches_the_training_which_may_take_its_time_to_save(tmp_path: Path) -> None:
    train = f"trap 'sleep 0.3; touch {tmp_path / 'saved'}; exit 143' TERM; while :; do sleep 0.05; done"
    commands = {"srun": train, "scontrol": f'echo "$@" >> {tmp_path / "asked"}; echo node1', "scancel": "exit 1"}
    _stand_ins(tmp_path, commands)
    job = subprocess.Popen(["bash", str(write(JOB, tmp_path / "job.sh"))], env=_environment(tmp_path, 0))
    with pytest.raises(subprocess.TimeoutExpired):
        job.wait(0.7)
    job.terminate()
    assert job.wait(120) == 143
    assert (tmp_path / "saved").exists()
    assert "requeue 77" in (tmp_path / "asked").read_text()


def test_a_job_whose_time_is_over_while_it_prepares_goes_back_to_the_queue(tmp_path: Path) -> None:
    commands = {"long": "touch $HOME/began; sleep 5", "srun": "touch $HOME/trained"}
    _stand_ins(tmp_path, {**commands, "scontrol": f'echo "$@" >> {tmp_path / "asked"}; echo node1', "scancel": "true"})
    changed = replace(JOB, setup=("word=one",), prepare=("long", 'echo "$word"'))
    environment = {**_environment(tmp_path, 0), "HOME": str(tmp_path)}
    job = subprocess.Popen(["bash", str(write(changed, tmp_path / "job.sh"))], env=environment)
    while not (tmp_path / "began").exists():
        time.sleep(0.02)
    job.terminate()
    assert job.wait(10) == 143
    assert "requeue 77" in (tmp_path / "asked").read_text()
    assert not (tmp_path / "trained").exists()
    failed = replace(changed, prepare=("false", "touch $HOME/second"))
    assert subprocess.run(["bash", str(write(failed, tmp_path / "b.sh"))], env=environment, check=False).returncode == 1
    assert not (tmp_path / "second").exists()
    assert not (tmp_path / "trained").exists()


def _stand_ins(folder: Path, commands: dict[str, str]) -> None:
    (folder / "bin").mkdir()
    for name, body in commands.items():
        path = folder / "bin" / name
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)


def _environment(folder: Path, restarts: int) -> dict[str, str]:
    slurm = {"SLURM_JOB_ID": "77", "SLURM_JOB_NODELIST": "node[1-2]", "SLURM_RESTART_COUNT": str(restarts)}
    return {**os.environ, **slurm, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    "options",
    [
        {"name": "a b"},
        {"memory": "much"},
        {"partition": "x;rm"},
        *({"time": time} for time in ("soon", "90", "99:99", "10:00:60", "1-24:00", "00:00:00", "0:02")),
    ],
)
def test_what_slurm_would_not_take_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ScantuneError, match=f"^{next(iter(options))}: {next(iter(options.values()))!r}"):
        Job(**{"name": "a", "command": ("true",), **options})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "time, limit", [("10:00", "0-10:00:00"), ("72:00:00", "3-00:00:00"), ("3-12:00", "3-12:00:00")]
)
def test_a_time_limit_is_written_as_slurm_reads_it(time: str, limit: str) -> None:
    """SLURM reads 10:00 as ten minutes (sbatch(1), --time), and the option is hours:minutes."""
    assert f"#SBATCH --time={limit}\n" in script(Job("a", ("true",), time=time))


def test_without_a_gpu_one_process_a_node() -> None:
    text = script(Job("cpu", ("true",), gpus_per_node=0))
    assert "--ntasks-per-node=1" in text
    assert "gpus" not in text


def test_the_command_writes_a_job_that_prepares_trains_and_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import yaml
    from typer.testing import CliRunner

    from scantune.cli import app
    from tests.stages.conftest import digits_params

    monkeypatch.chdir(tmp_path)
    params = digits_params()
    derived = {**params["experiments"]["small"], "from": "small", "use": "weights"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({**params, "derived": {"student": derived}}))
    options = ["--nodes", "2", "--gpus", "4", "--setup", "module load cuda"]
    for name in ("small", "student"):
        told = CliRunner().invoke(app, ["slurm", name, *options], catch_exceptions=False).output
        assert f"sbatch {name}.sbatch" in told
        commands = {word: f'echo "{word} $@" >> said' for word in ("srun", "dvc", "module")}
        home = tmp_path / name
        home.mkdir()
        _stand_ins(home, {**commands, "scontrol": "echo node1", "scancel": "true"})
        subprocess.run(["bash", str(tmp_path / f"{name}.sbatch")], env=_environment(home, 0), cwd=home, check=True)
        group = "" if name == "small" else "-derived"
        assert (home / "said").read_text().splitlines() == [
            "module load cuda",
            f"dvc repro {'' if name == 'small' else 'train@small '}preprocess@digits split@digits",
            f"srun --kill-on-bad-exit=1 python stages/train.py {name}",
            f"dvc commit --force train{group}@{name}",
            f"dvc repro register{group}@{name}",
        ]
