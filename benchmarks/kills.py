"""Stages killed by SIGKILL at random moments and started again: ``python -m benchmarks kills --count 200``.

All stages of dvc.yaml, a search, and a training of two processes. Most are forked (see :mod:`benchmarks.forked`);
every twentieth is run by DVC. Killed is the whole group, as SLURM does, or one process alone, as a kernel does that has
no memory left.

Printed: how many kills hit each running stage, how many times its outputs, once it had run to its end again, were not
those of a run that nobody killed, and what still ran 20 s after a kill. The last two are to be 0. So are, at the
end, MLflow runs that are still open, points that were sent twice, and files that wait for a server.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import forked
from benchmarks.forked import Stage
from scantune.digests import file_digest
from tests.stages.conftest import Project, grouped_params, make_project

#: What may differ between two runs that nobody kills: a run's id, a version's number, and pages that show them.
MAY_DIFFER = ("run.json", "report.html", "model_card.md", "registration.json")
#: Seconds in which what was left alone by a kill has to end.
END = 20.0


@dataclass
class Count:
    """Of one stage: kills that hit it, ends that were not as without a kill, and processes that were left over."""

    hit: int = 0
    wrong: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def prepared(home: Path) -> Project:
    """A project with a block of every group; nothing has run in a new one."""
    params = grouped_params()
    params["demo"]["digits"]["options"]["n"] = 240
    params["demo"]["far"]["options"]["n"] = 60
    params["watched"] = {"more": {"dataset": "digits", "path": "more"}}
    params["map_checks"] = {"seed": {"experiment": "other", "from": "other", "use": "another_seed"}}
    small = params["experiments"]["small"]
    small["train"] |= {"epochs": 6, "save_every_minutes": 0.001, "early_stopping": False}
    small["train"]["monitoring"] = {"gradient_norms": True}
    pair = {**small, "train": small["train"] | {"devices": 2, "batch_size": 8}}
    params["experiments"]["pair"] = {name: block for name, block in pair.items() if name != "search"}
    for group in ("experiments", "derived", "ensembles"):
        for block in params[group].values():
            block["evaluate"] = {"draws": 200, "saliency": False}
    params["experiments"]["other"]["evaluate"]["saliency"] = {"samples": 1}  # the check of maps is of its maps
    if home.exists():
        return Project(home)
    project = make_project(home, params)
    (home / "more").mkdir()
    (home / "more" / "notes.txt").write_text("x")
    return project


def in_order(outs: dict[str, tuple[str, ...]]) -> list[Stage]:
    """Every stage of one process, each after those that it depends on; in dvc.yaml a check of maps comes late."""
    titles = list(dict.fromkeys(name.partition("@")[0] for name in outs))
    titles.insert(titles.index("evaluate"), titles.pop(titles.index("map-check")))
    names = sorted(outs, key=lambda name: titles.index(name.partition("@")[0]))
    return [Stage(name, outs[name]) for name in names if not name.endswith("@pair")]


def killed_ones(stages: list[Stage], outs: dict[str, tuple[str, ...]]) -> list[Stage]:
    """One of each kind, a training of two processes, and a search."""
    first = {stage.name.partition("@")[0]: stage for stage in reversed(stages)}
    pair = Stage("train@pair", outs["train@pair"], processes=2)
    return [*reversed(first.values()), pair, Stage("search@small", (".scantune/search/small",))]


def state(project: Project, stage: Stage) -> dict[str, str]:
    """Digest of each output that must be the same."""
    if stage.name.startswith("search"):
        path = project.home / stage.outs[0] / "best_params.yaml"
        return {"best_params.yaml": file_digest(path)} if path.exists() else {}
    tops = [project.home / out for out in stage.outs]
    paths = [p for top in tops for p in ([top] if top.is_file() else sorted(top.rglob("*"))) if p.is_file()]
    return {str(p.relative_to(project.home)): _content(p) for p in paths}


def _content(path: Path) -> str:
    if path.name in MAY_DIFFER:
        return "there" if path.stat().st_size else "empty"
    return file_digest(path)


def again(project: Project, stage: Stage) -> list[int | None]:
    """Start it once more and let it run to its end."""
    if not stage.name.startswith("search"):
        return forked.run_to_its_end(project, stage)
    return [forked.Started(project, stage.run).wait(300)]  # a search goes on: nothing of it is removed


def kill_once(
    project: Project, stage: Stage, seconds: float, draws: random.Random, by_dvc: bool
) -> tuple[bool, list[str]]:
    """Whether the kill hit, and what was left over."""
    started = forked.start_by_dvc(project, stage) if by_dvc else forked.start(project, stage)
    time.sleep(seconds)
    whole, hit = draws.random() < 0.6, False
    for one in started if whole else [draws.choice(started)]:
        if one.wait(0) is None:
            one.kill(whole)
            hit = True
    left = forked.left(started, END)
    for one in started:
        try:
            one.wait(END)
        except ChildProcessError:  # it was waited for
            continue
    return hit, left


def undisturbed(
    project: Project, stages: list[Stage], kept: Path
) -> tuple[dict[str, dict[str, str]], dict[str, float]]:
    """State after each stage that nobody kills, and its seconds; of a project that was kept as they were noted."""
    if kept.exists():
        return tuple(json.loads(kept.read_text()))  # type: ignore[return-value]
    whole: dict[str, dict[str, str]] = {}
    took: dict[str, float] = {}
    for stage in stages:
        before = state(project, stage)
        while True:  # until two runs without a kill are the same: of a project that was kept the first may be cut
            began = time.monotonic()
            codes = forked.run_to_its_end(project, stage)
            took[stage.name] = time.monotonic() - began
            assert set(codes) == {0}, f"{stage.name}: {codes}\n{forked.killed_stderr(project)}"
            whole[stage.name] = state(project, stage)
            if whole[stage.name] == before:
                break
            differing = [n for n, digest in whole[stage.name].items() if digest != before.get(n)]
            print(f"{stage.name}: once more, for {differing[:3]}", flush=True)
            before = whole[stage.name]
        print(f"{stage.name}: {len(before)} files, {took[stage.name]:.2f} s", flush=True)
    kept.write_text(json.dumps([whole, took]))
    return whole, took


def measure(count: int, seed: int, home: Path) -> dict[str, Count]:
    """Kill until ``count`` kills have hit."""
    draws, project = random.Random(seed), prepared(home / "project")
    outs = forked.stages_of(project)
    forked.load_modules(project, in_order(outs))
    stages = killed_ones(in_order(outs), outs)
    whole, took = undisturbed(project, stages, home / "undisturbed.json")
    counts = {stage.name: Count() for stage in stages}
    number, weights = 0, [1 / took[stage.name] for stage in stages]
    while sum(one.hit for one in counts.values()) < count:
        # each once, then the quick ones more often: a kill costs two runs of its stage
        stage = stages[number] if number < len(stages) else draws.choices(stages, weights)[0]
        number += 1
        by_dvc = number % 20 == 0 and not stage.name.startswith("search")
        longest = took[stage.name] + (6.0 if by_dvc else 0.0)
        hit, left = kill_once(project, stage, draws.uniform(0.02, 1.0) * longest, draws, by_dvc)
        codes, now = again(project, stage), None
        now = state(project, stage)
        wrong = [name for name in {*now, *whole[stage.name]} if now.get(name) != whole[stage.name].get(name)]
        one = counts[stage.name]
        one.hit += hit
        one.left += left
        one.wrong += [f"exit {codes}"] if set(codes) != {0} else sorted(wrong)[:3]
        bad = f"{codes} {wrong} {left}" if wrong or left or set(codes) != {0} else "as before"
        print(f"{sum(c.hit for c in counts.values())} {stage.name}{' by dvc' * by_dvc}: {bad}", flush=True)
        if set(codes) != {0}:
            print(forked.killed_stderr(project), flush=True)
    _store(project, counts)
    return counts


def _store(project: Project, counts: dict[str, Count]) -> None:
    """Look at MLflow and at what waits for it, once a stage more has run."""
    from mlflow import MlflowClient

    forked.Started(project, Stage("split@digits", ()).run).wait(300)
    service = MlflowClient(f"sqlite:///{project.home / 'mlflow.db'}")
    runs = [
        run for e in service.search_experiments() for run in service.search_runs([e.experiment_id], max_results=5000)
    ]
    print("MLflow runs: " + ", ".join(f"{n} {s}" for s, n in Counter(run.info.status for run in runs).items()))
    one = counts["MLflow"] = Count()
    one.left += [f"{run.info.run_name} {run.info.status}" for run in runs if run.info.status == "RUNNING"]
    for run in runs:
        for name in run.data.metrics:
            steps = [(point.step, point.value) for point in service.get_metric_history(run.info.run_id, name)]
            if len(steps) != len({step for step, _ in steps}):
                one.wrong.append(f"{run.info.run_name} {name}: a point twice")
    hidden = project.home / ".scantune"
    one.left += [str(path) for path in hidden.glob("pending/*")] + [
        str(path)
        for path in hidden.glob("open/*")
        if not path.name.startswith("new-")  # kept for ten minutes
    ]
    one.left += [str(path) for path in hidden.glob("search/*/trial-*")]
    print(f"partial files left: {len(list(project.home.rglob('*.partial')))}")


def table(counts: dict[str, Count]) -> str:
    lines = ["| stage | kills | other outputs | left running |", "| --- | --- | --- | --- |"]
    lines += [f"| `{name}` | {one.hit} | {len(one.wrong)} | {len(one.left)} |" for name, one in counts.items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the project, which is kept, and used where it is there")
    chosen = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":  # threads must not be there when a process forks
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.kills", *sys.argv[1:]], _single_threaded())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    home = chosen.keep or Path(tempfile.mkdtemp())
    try:
        counts = measure(chosen.count, chosen.seed, home)
    finally:
        if not chosen.keep:
            shutil.rmtree(home, ignore_errors=True)
    print(table(counts))
    for name, one in counts.items():
        for line in (*one.wrong, *one.left):
            print(f"{name}: {line}")
    raise SystemExit(any(one.wrong or one.left for one in counts.values()))


def _single_threaded() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}


if __name__ == "__main__":
    main()
