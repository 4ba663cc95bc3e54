"""The presets on real public data over several seeds, beside a plain timm script and GaNDLF on the same split.

``python -m benchmarks beside --data FOLDER --seeds 5`` trains each set of :mod:`benchmarks.defaults` by the stages, by
``plain_timm.py`` and by GaNDLF (``gandlf_pictures_side.py``) with the same network, weights, image size and epochs, and
prints for each set and peer both metrics as means over the seeds with their paired difference, and the same of the mean
predictions over the seeds, which ``train.members`` gives. With ``--folds 5`` each training is a cross-validation on the
same folds of subjects, so that every sample is tested once for each seed. FOLDER is described there. What is there is
not trained again.

GaNDLF takes part if ``SCANTUNE_GANDLF_PYTHON`` names an interpreter that has it (:mod:`benchmarks.gandlf`). AUCMEDI
does not: it needs TensorFlow, for which these weights do not exist, and downloads its own.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import itertools
import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import defaults

#: Set → primary metric, task, and what the plain script is told.
SETS: dict[str, tuple[str, str, list[str]]] = {
    "pneumonia": ("auroc", "classification", []),
    "age": ("mae", "regression", ["--number"]),
    "cells": ("accuracy", "classification", ["--smear"]),
    "cells_224": ("accuracy", "classification", ["--smear"]),
    "ultrasound": ("accuracy", "classification", ["--frames", "6"]),
}

#: Peer → its script, which is told what ``plain_timm.py`` is told, and the interpreter of the script.
PEERS: dict[str, tuple[str, str]] = {
    "timm": ("plain_timm.py", sys.executable),
    "gandlf": ("gandlf_pictures_side.py", os.environ.get("SCANTUNE_GANDLF_PYTHON", "")),
}


def left_out(name: str, side: str, folds: int) -> str:
    """Why a side does not train a set; empty if it does."""
    if name == "ultrasound" and not folds:
        return "of so few patients only cross-validation (--folds) tells anything"
    if side == "gandlf" and name == "ultrasound":
        return "it reads no loops"
    if side == "gandlf" and not PEERS[side][1]:
        return "SCANTUNE_GANDLF_PYTHON names no interpreter that has it"
    if side == "gandlf" and SETS[name][1] != "classification":
        return "its loss of one number fails in batches of several"
    return ""


def scantune_side(name: str, data: Path, home: Path, seed: int) -> dict[str, Any]:
    """A training of the preset by the stages; its predictions are kept in the folder of the seed."""
    project = defaults.project_at(home / "project")
    params = defaults.blocks(name, data, home)
    params["experiments"][name]["train"]["seed"] = seed
    result = defaults.train(params, name, project)
    folder = home / name / "scantune" / f"seed_{seed}"
    outputs = [(folder, project / "outputs" / name / "evaluate")]
    outputs += [(folder / "other", project / "outputs" / "external" / key) for key in params["external"]]
    for target, source in outputs:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / "predictions.csv", target)
    return result


def peer_side(peer: str, name: str, data: Path, home: Path, seed: int) -> dict[str, Any]:
    """A training by a peer's script, of the samples and split that the stages prepared."""
    params = defaults.blocks(name, data, home)
    rows = list(_rows(params, _split(params, home / "project" / "project")))
    return {"processor_minutes": _script(peer, name, params, home, rows, home / name / peer / f"seed_{seed}", seed)}


def scantune_folds(name: str, data: Path, home: Path, folds: int, seed: int) -> dict[str, Any]:
    """The preset trained on each fold's other folds by the stages; all predictions are out of fold."""
    project = defaults.project_at(home / "project")
    params = folded(name, data, home, folds, seed)
    result = defaults.train(params, name, project)
    target = home / name / "scantune_folds" / f"seed_{seed}"
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy2(project / "outputs" / name / "evaluate" / "predictions.csv", target)
    return {"processor_minutes": result["processor_minutes"] / folds}


def peer_folds(peer: str, name: str, data: Path, home: Path, folds: int, seed: int) -> dict[str, Any]:
    """The same folds by a peer's script; its checkpoint is chosen on the same subjects as that of the stages."""
    params, target = folded(name, data, home, folds, seed), home / name / f"{peer}_folds" / f"seed_{seed}"
    project = _split(params, home / "project" / "project")
    rows = list(_rows(params, project))
    minutes, merged = 0.0, list[dict[str, str]]()
    for fold, sides in fold_sides(project, name):
        folder = target / "by_fold" / str(fold)
        of_fold = [row | {"split": sides[row["sample_id"]]} for row in rows]
        minutes += _script(peer, name, params, home, of_fold, folder, seed)
        merged += _table(folder / "predictions.csv")
    with (target / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(merged[0]))
        writer.writeheader()
        writer.writerows(merged)
    return {"processor_minutes": minutes / folds}


def _split(params: dict[str, Any], project: Path) -> Path:
    """The project with the split of these blocks; the one that is there may be of folds, or of another set."""
    defaults.write(params, project)
    for dataset in params["datasets"]:
        defaults.run_stage(project, "split", dataset)
    return project


def folded(name: str, data: Path, home: Path, folds: int, seed: int) -> dict[str, Any]:
    """Blocks of a set with folds instead of a test side."""
    params = defaults.blocks(name, data, home)
    params["datasets"] = {name: params["datasets"][name]}
    params["inputs"], params["external"] = {name: params["inputs"][name]}, {}
    params["datasets"][name]["split"] |= {"fractions": [1, 0, 0], "folds": folds}
    params["experiments"][name]["train"] |= {"folds": folds, "seed": seed}
    return params


def fold_sides(project: Path, name: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Each fold with the side of every sample in it, as the stages have them."""
    from scantune.config.load import load
    from scantune.pipeline.train.networks import members_of
    from scantune.pipeline.train.stage import plan_of

    with contextlib.chdir(project):
        members = list(members_of(plan_of(load("params.yaml"), name)))
    for fold, member in enumerate(members):
        named = {"train": member.train, "validation": member.validation, "test": member.unseen}
        yield fold, {sample.sample_id: side for side, samples in named.items() for sample in samples}


def _script(
    peer: str, name: str, params: dict[str, Any], home: Path, rows: list[dict[str, str]], folder: Path, seed: int
) -> float:
    """Run a peer's script on these rows; its predictions are in the folder. Returns its processor minutes."""
    weights = home / "lite0.pt"
    table = folder.with_name(f"{folder.name}.csv")  # of its own: two runs may share a home
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not weights.exists():
        _write_weights(weights)
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["sample_id", "subject_id", "split", "file", "target"])
        writer.writeheader()
        writer.writerows(rows)
    size = params["inputs"][name]["shape"][0]
    epochs = defaults.epochs_of(params["experiments"][name]["train"])
    options = ["--weights", weights, "--size", size, "--epochs", epochs, "--seed", seed, *SETS[name][2]]
    script, python = PEERS[peer]
    # An environment of its own must not see the packages of this one.
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return defaults.timed([python, *map(str, [Path(__file__).with_name(script), table, folder, *options])], env)


def _rows(params: dict[str, Any], project: Path) -> Iterator[dict[str, str]]:
    """Samples of the first dataset with their partition; of the second one ``other``."""
    for number, (key, dataset) in enumerate(params["datasets"].items()):
        cache = project / "data" / "cache" / key
        splits = project / "data" / "splits" / key / "splits.csv"
        with splits.open(encoding="utf-8") as file:
            partition = {row["sample_id"]: row["split"] for row in csv.DictReader(file)}
        target = f"target/{next(iter(dataset['targets']))}"
        file_of = _file_of(dataset)
        with (cache / "manifest.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                sample = row["sample_id"]
                if sample in partition:
                    yield {
                        "sample_id": sample,
                        "subject_id": row["subject_id"],
                        "split": partition[sample] if number == 0 else "other",
                        "file": str(Path(dataset["root"]) / file_of(sample)),
                        "target": row[target],
                    }


def _file_of(dataset: dict[str, Any]) -> Callable[[str], str]:
    """The file of a sample below the dataset's root."""
    if dataset["files"] == "{file}":
        return {row["sample"]: row["file"] for row in _table(Path(dataset["table"]))}.__getitem__
    return ("images/{}" if dataset["files"].startswith("images/") else "{}_image.png").format


def _write_weights(path: Path) -> None:
    import torch

    from scantune.models.weights.efficientnet_names import timm_names
    from scantune.models.weights.files import read
    from scantune.models.weights.packaged import PACKAGED

    packaged = PACKAGED["imagenet", "tf_efficientnet_lite0"].file
    file = packaged.path()
    if file is None:
        raise SystemExit(f"weights of tf_efficientnet_lite0 are not here: {packaged.install}")
    torch.save(timm_names(read(file)), path)


SIDES = {"scantune": scantune_side} | {peer: partial(peer_side, peer) for peer in PEERS}
FOLDED = {"scantune": scantune_folds} | {peer: partial(peer_folds, peer) for peer in PEERS}


def lines(home: Path, minutes: dict[str, float], folds: bool = False) -> Iterator[str]:
    """A row of the table for each set and peer that have results, over seeds or out of fold."""
    yield "| data | metric | n (subjects) | scantune | peer | | difference (95 % interval), p | processor minutes |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for name, peer, other in itertools.product(SETS, PEERS, (False, True)):
        metric = SETS[name][0]
        minutes_of = [minutes.get(f"{name}/{side}{'_folds' if folds else ''}", math.nan) for side in ("scantune", peer)]
        for what, trainings, result in () if folds and other else _compared(home / name, peer, folds, other):
            entry = result["metrics"][metric]
            ours, theirs = (_told(entry[role]) for role in ("challenger", "reference"))
            cost = " and ".join(f"{n * one:.1f}" for n, one in zip(trainings, minutes_of, strict=True))
            data = f"{name}{', other laboratory' if other else ''}{what}"
            cells = [data, metric, f"{result['n']} ({result['n_subjects']})", ours, peer, theirs]
            yield f"| {' | '.join([*cells, _difference(entry['difference']), cost])} |"


def _compared(
    folder: Path, peer: str, folds: bool, other: bool
) -> Iterator[tuple[str, tuple[int, int], dict[str, Any]]]:
    """Predictions of a set compared with those of a peer, out of fold or not.

    Yields:
        What is compared, the number of trainings behind a prediction of scantune and of the peer, and the comparison:
        of trainings, and where there are several of the mean of their predictions with one training and with the mean
        of the peer's.
    """
    from scantune.tasks.comparing import compare_files
    from scantune.tasks.foreign import settings_for
    from scantune.tasks.trainings import compare_folders

    metric, task, _ = SETS[folder.name]
    settings, sides = settings_for(task, {}, ()), (peer, "scantune")
    kept = [_kept(folder / f"{side}{'_folds' if folds else ''}", other) for side in sides]
    theirs, ours = (sorted(of_side.glob("*/predictions.csv")) for of_side in kept)
    if theirs and ours and min(len(theirs), len(ours)) == 1:
        yield "", (1, 1), compare_files(theirs[0], ours[0], settings, primary=metric)
    elif theirs and ours:
        yield "", (1, 1), compare_folders(*kept, settings, primary=metric)
        mean, n = _mean(ours), (len(ours), len(theirs))
        what = f", mean of {n[0]} beside one training"
        yield what, (n[0], 1), compare_files(theirs[0], mean, settings, primary=metric)
        yield f", mean of {n[0]} and of {n[1]}", n, compare_files(_mean(theirs), mean, settings, primary=metric)


def _mean(files: list[Path]) -> Path:
    """A file of the mean predictions of several trainings, beside their folders."""
    trainings = [{row["sample_id"]: row for row in _table(path)} for path in files]
    target = files[0].parents[1].with_suffix(".mean") / "predictions.csv"
    target.parent.mkdir(exist_ok=True)
    with target.open("w", newline="", encoding="utf-8") as file:
        titles = ["sample_id", "subject_id", "split", "target"]
        first = next(iter(trainings[0].values()))
        averaged = [title for title in first if title.startswith("p/") or title == "prediction"]
        writer = csv.DictWriter(file, titles + averaged)
        writer.writeheader()
        for sample, row in trainings[0].items():
            means = {t: sum(float(of[sample][t]) for of in trainings) / len(trainings) for t in averaged}
            writer.writerow({title: row[title] for title in titles} | means)
    return target


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _difference(d: dict[str, Any]) -> str:
    if d["p_value"] is None:
        return str(d["reason"])
    return f"{d['value']:+.3f} ({d['lower']:+.3f} to {d['upper']:+.3f}), {d['p_value']:.2g}"


def _kept(folder: Path, other: bool) -> Path:
    """A folder of one predictions.csv a seed: of the test side, or of the other laboratory."""
    chosen = folder.parent / "by_side" / f"{folder.name}{'_other' if other else ''}"
    shutil.rmtree(chosen, ignore_errors=True)
    for path in folder.glob("seed_*/other/predictions.csv" if other else "seed_*/predictions.csv"):
        target = chosen / path.relative_to(folder).parts[0]
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    return chosen


def _told(side: dict[str, Any]) -> str:
    """A metric with its interval, or its mean over trainings with the lowest and highest."""
    value, bounds = side.get("mean", side.get("value")), side.get("values", (side.get("lower"), side.get("upper")))
    return f"{value:.3f} ({min(bounds):.3f} to {max(bounds):.3f})"


def _results(kept: Path) -> dict[str, float]:
    """Processor minutes of each training so far."""
    return json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}


def main() -> None:
    """Train what has no result yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public data sets")
    parser.add_argument("--home", type=Path, default=Path("beside"), help="folder of results and prepared samples")
    parser.add_argument("--only", nargs="*", default=list(SETS), help="sets")
    parser.add_argument("--seeds", type=int, default=5, help="number of trainings of each side, from seed 42 on")
    parser.add_argument("--folds", type=int, default=0, help="each training a cross-validation by this many folds")
    options = parser.parse_args()
    home, data = options.home.absolute(), options.data.absolute()
    home.mkdir(parents=True, exist_ok=True)
    kept = home / "results.json"
    for name in options.only:
        for seed in range(42, 42 + options.seeds):
            for side in SIDES:
                key = f"{name}/{side}{'_folds' if options.folds else ''}/{seed}"
                if why := left_out(name, side, options.folds):
                    print(f"== {key} is left out: {why}", flush=True)
                elif key not in _results(kept):
                    print(f"== {key}", flush=True)
                    train = partial(FOLDED[side], folds=options.folds) if options.folds else SIDES[side]
                    minutes = train(name, data, home, seed=seed)["processor_minutes"]
                    kept.write_text(json.dumps(_results(kept) | {key: minutes}, indent=1), encoding="utf-8")
    results = _results(kept)
    groups = {key.rpartition("/")[0] for key in results}
    of = {group: [value for key, value in results.items() if key.rpartition("/")[0] == group] for group in groups}
    means = {group: sum(values) / len(values) for group, values in of.items()}
    print("\n".join(lines(home, means, bool(options.folds))))


if __name__ == "__main__":
    main()
