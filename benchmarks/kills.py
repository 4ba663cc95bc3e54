"""Stages killed by SIGKILL at random moments and started again: ``python -m benchmarks kills --count 200``.

Printed: how many kills hit a running stage, and how many times a stage's outputs, once it had run to its end again,
were not those of a run that nobody killed. The second number is to be 0.
"""

from __future__ import annotations

import argparse
import random
import signal
import tempfile
import time
from pathlib import Path

from scantune.digests import file_digest
from tests.stages.conftest import Project, digits_params, experiment, make_project
from tests.stages.test_kills import killed

STAGES = (
    "demo@digits",
    "index@digits",
    "preprocess@digits",
    "split@digits",
    "train@small",
    "evaluate@small",
    "register@small",
)
#: What must be the same; a run's id, and the report that shows it, may differ.
SAME = (
    "data/demo/digits/cohort.csv",
    "data/cache/digits/digests.csv",
    "data/splits/digits/splits.csv",
    "outputs/small/train/model/member_0/weights.safetensors",
    "outputs/small/train/history.csv",
    "outputs/small/evaluate/predictions.csv",
    "outputs/small/evaluate/metrics.json",
)


def prepared(home: Path) -> Project:
    """A project in which everything ran once."""
    params = digits_params(120)
    params["experiments"] = {"small": experiment("small_cnn", epochs=20, save_every_minutes=0.002)}
    params["experiments"]["small"]["evaluate"] |= {"saliency": False}
    project = make_project(home, params)
    project.dvc("repro")
    return project


def state(project: Project) -> dict[str, str]:
    """Digest of each file that must be the same."""
    return {name: file_digest(project.home / name) for name in SAME}


def measure(count: int, seed: int) -> tuple[int, int]:
    """Kills that hit, and stages whose outputs differed afterwards."""
    draws = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        project = prepared(Path(folder) / "project")
        whole, took, hit, wrong = state(project), {}, 0, 0
        for stage in STAGES:
            began = time.monotonic()
            assert killed(project, stage, 600) == 0, stage
            took[stage] = time.monotonic() - began
        assert state(project) == whole, "a stage that runs again without a kill must end alike"
        for number in range(count):
            stage = draws.choice(STAGES)
            hit += killed(project, stage, draws.uniform(0.2, 1.0) * took[stage]) == -signal.SIGKILL
            again = killed(project, stage, 600)
            differing = [name for name, digest in state(project).items() if digest != whole[name]]
            wrong += bool(again or differing)
            print(
                f"{number + 1} {stage}: {'as before' if not (again or differing) else differing or again}", flush=True
            )
    return hit, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    hit, wrong = measure(chosen.count, chosen.seed)
    print(f"{chosen.count} kills, {hit} of them hit a running stage; {wrong} ended otherwise than without")
    raise SystemExit(wrong > 0)


if __name__ == "__main__":
    main()
