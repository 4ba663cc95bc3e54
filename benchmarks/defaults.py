"""What the default settings follow from: variants of a training compared on real public data.

``python -m benchmarks defaults --data FOLDER`` trains every variant of :data:`STUDY` by the stages of the project and
prints a table. FOLDER has ``wbc/`` (``Dataset 1``, ``Dataset 2``) and ``pocus/`` (``dataset_metadata.csv``,
``pocus_videos/``) as their makers laid them out, and ``nih_chest/`` with ``images/`` and a sample of the makers'
table as ``Data_Entry.csv``, to which a column ``folder`` adds the class (pneumonia or no finding). Results are kept
in ``--home``, and what is there is not trained again.

The first variant of a set, ``base``, is the preset of its modality; the others differ from it in one thing.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from scantune.config.presets import PRESETS

ROOT = Path(__file__).parents[1]
FILM = {"preset": "radiograph"}
SMEAR = {"preset": "microscopy"}
FRAMES = {"preset": "ultrasound", "folds": 5}
#: The preset's changes, and more of colour and size.
STRONG = PRESETS["microscopy"]["train"]["augment"] | {"hue": 60, "saturation": 0.8, "stain": 0.3, "zoom": [0.55, 1.3]}

#: Set of data → variant → settings by dotted key that differ from those of the set.
STUDY: dict[str, dict[str, dict[str, Any]]] = {
    "pneumonia": {
        "base": {},
        "random weights": {"model.weights": None},
        "no augmentation": {"train.augment": {}},
        "head first": {"train.freezing": "head_first", "train.learning_rate": 1e-3},
        "head alone": {"train.freezing": "backbone", "train.learning_rate": 5e-3},
        "learning rate 2e-4": {"train.learning_rate": 2e-4},
        "224 pixels": {"input.shape": [224, 224]},
    },
    "age": {"base": {}, "128 pixels": {"input.shape": [128, 128]}},
    "cells": {
        "base": {},
        "head first": {"train.freezing": "head_first", "train.learning_rate": 1e-3},
        "head alone": {"train.freezing": "backbone", "train.learning_rate": 5e-3},
        "strong colours": {"train.augment": STRONG},
        "by channel": {"input.intensity": {"name": "percentile", "per_channel": True}},
        "usual augmentation": {"train.augment": "default"},
        "random weights": {"model.weights": None},
    },
    "cells_224": {"base": {}},
    "ultrasound": {
        "base": {},
        "seed 43": {"train.seed": 43},
        "seed 44": {"train.seed": 44},
        "20 epochs": {"train.epochs": 20},
        "batches of 4": {"train.batch_size": 4},
        "head first": {"train.freezing": "head_first", "train.learning_rate": 1e-3},
    },
}


def _films(data: Path, target: str) -> dict[str, Any]:
    column = {"pneumonia": "folder", "age": {"column": "Patient Age", "min": 0, "max": 120}}[target]
    return {
        "root": str(data / "nih_chest"),
        "table": "Data_Entry.csv",
        "files": "images/{Image Index}",
        "sample": "{Image Index}",
        "subject": "Patient ID",
        "targets": {target: column},
        "groups": {"view": "View Position", "sex": "Patient Gender"},
        "split": {"method": "stratified", "on": target, "fractions": [0.65, 0.1, 0.25], "seed": 42},
    }


def _cells(data: Path, laboratory: int, column: str) -> dict[str, Any]:
    root = data / "wbc"
    return {
        "root": str(root / f"Dataset {laboratory}"),
        "table": str((root / f"Class Labels of Dataset {laboratory}.csv").absolute()),
        "files": "{image ID:03d}_image.png",
        "sample": "{image ID:03d}",
        "targets": {"kind": column},
        # One basophil, and one file twice (112 and 139), in the first laboratory.
        "where": {column: {"exclude": [5]}} | ({"image ID": {"exclude": [139]}} if laboratory == 1 else {}),
        "split": {"method": "stratified", "on": "kind", "fractions": [0.7, 0.1, 0.2], "seed": 42},
    }


def _loops(data: Path, home: Path) -> dict[str, Any]:
    """Loops of convex probes by patient, the three kinds that its makers compare (``pocovidnet/README.md`` there).

    The table names files without their endings, so one with the files is written.
    """
    folder = data / "pocus"
    files = {path.name: path for path in sorted(folder.rglob("*")) if path.is_file()}
    files |= {path.stem: path for path in files.values()}
    kinds = {"COVID-19": "covid", "Bacterial pneumonia": "pneumonia", "regular": "regular", "Regular": "regular"}
    rows = [["sample", "file", "patient", "kind", "probe"]]
    for number, row in enumerate(csv.DictReader((folder / "dataset_metadata.csv").open(encoding="utf-8"))):
        path, kind = files.get(row["Filename"]), kinds.get(row["Label"])
        if path is not None and kind is not None:
            patient = row["Patient ID / Name"] or f"unknown {number}"
            rows.append([f"loop_{number}", path.relative_to(folder).as_posix(), patient, kind, row["Probe"]])
    table = home.absolute() / "loops.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return {
        "root": str(folder),
        "table": str(table),
        "files": "{file}",
        "sample": "{sample}",
        "subject": "patient",
        "targets": {"kind": "kind"},
        "where": {"probe": "convex"},
        "split": {"method": "stratified", "on": "kind", "fractions": [1, 0, 0], "folds": 5, "seed": 42},
    }


def blocks(name: str, data: Path, home: Path) -> dict[str, Any]:
    """Datasets, inputs, one experiment and validation at another laboratory, of a set of data."""
    classes = {"name": "classification"}
    film = {"modality": "image", "shape": [128, 128], "intensity": "scale"}
    cell = {"modality": "image", "shape": [128, 128], "channels": 3, "intensity": "scale"}
    loop = {"modality": "video", "shape": [112, 112], "frames": 6, "period": 8, "resize": "crop", "intensity": "scale"}
    numbers = {"name": "regression", "target": "age", "range": [0, 100]}
    films = {**FILM, "loss": "huber", "monitor": "val_mae", "epochs": 16}
    kind = {**classes, "target": "kind"}
    both = [_cells(data, 1, "class label"), _cells(data, 2, "class")] if name.startswith("cells") else []
    sets: dict[str, Callable[[], Any]] = {
        "pneumonia": lambda: ([_films(data, "pneumonia")], film, {**classes, "target": "pneumonia"}, FILM),
        "age": lambda: ([_films(data, "age")], {**film, "shape": [224, 224]}, numbers, films),
        "cells": lambda: (both, cell, kind, SMEAR),
        "cells_224": lambda: (both, {**cell, "shape": [224, 224]}, kind, SMEAR),
        "ultrasound": lambda: ([_loops(data, home)], loop, kind, FRAMES),
    }
    datasets, prepared, task, train = sets[name]()
    named = {name if number == 0 else f"{name}_b": block for number, block in enumerate(datasets)}
    return {
        "tracking": {"enabled": False},
        "datasets": named,
        "inputs": {key: {"dataset": key, **prepared} for key in named},
        "experiments": {
            name: {
                "dataset": name,
                "input": name,
                "task": task,
                "model": {},
                "train": dict(train),
                "evaluate": {"saliency": False, "draws": 500},
                "register": {},
            }
        },
        "external": {
            f"{name}_at_b": {"experiment": name, "dataset": key, "input": key} for key in named if key != name
        },
    }


def changed(params: dict[str, Any], name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The blocks with the settings of a variant; ``input.`` is for every input, the rest for the experiment."""
    for dotted, value in settings.items():
        group, key = dotted.split(".", 1)
        targets = params["inputs"].values() if group == "input" else [params["experiments"][name][group]]
        for target in targets:
            target[key] = value
    return params


def train(params: dict[str, Any], name: str, project: Path) -> dict[str, Any]:
    """Run the stages for a set of data in a project, and return its headline metrics and the time of training."""
    write(params, project)
    for dataset in params["datasets"]:
        for stage in ("index", "preprocess", "split"):
            run_stage(project, stage, dataset)
    shutil.rmtree(project / "outputs", ignore_errors=True)
    minutes = run_stage(project, "train", name)
    run_stage(project, "evaluate", name)
    metrics = _metrics(project / "outputs" / name / "evaluate" / "metrics.json")
    results: dict[str, Any] = {"metrics": metrics, "processor_minutes": minutes}
    for key in params["external"]:
        run_stage(project, "external", key)
        results["other"] = _metrics(project / "outputs" / "external" / key / "metrics.json")
    return results


def write(params: dict[str, Any], project: Path) -> None:
    """Write the project's ``params.yaml``."""
    (project / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def run_stage(project: Path, name: str, key: str) -> float:
    """Run a stage on one thread; returns its processor minutes, those of its own processes included."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    env = {**os.environ, **threads, "SCANTUNE_MLFLOW": "off", "PYTHONPATH": str(project / "src")}
    return timed([sys.executable, f"stages/{name}.py", key], env, project)


def timed(command: Sequence[str], env: Mapping[str, str] | None = None, folder: Path | None = None) -> float:
    """Processor minutes of a command and all processes that it waited for."""
    before = _processor_seconds()
    subprocess.run(command, cwd=folder, env=env, check=True)
    return (_processor_seconds() - before) / 60


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _metrics(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))["metrics"]


def epochs_of(train: dict[str, Any]) -> int:
    """Epochs that a block with a preset trains for."""
    return int(train.get("epochs", PRESETS[train["preset"]]["train"]["epochs"]))


#: Headline metrics by set of data.
SHOWN = {"pneumonia": ("auroc", "accuracy"), "age": ("mae", "r2")} | dict.fromkeys(
    ("cells", "cells_224", "ultrasound"), ("accuracy",)
)


def lines(results: dict[str, dict[str, Any]]) -> Iterator[str]:
    """A row of the table for each result."""
    yield "| data | variant | metric | test set (95 % interval), n | other laboratory | processor minutes |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for key, result in results.items():
        name, variant = key.split("/", 1)
        for metric in SHOWN[name]:
            other = _written(result["other"].get(metric)) if "other" in result else "–"
            value = _written(result["metrics"].get(metric))
            yield f"| {name} | {variant} | {metric} | {value} | {other} | {result['processor_minutes']:.1f} |"


def _written(metric: dict[str, Any] | None) -> str:
    if metric is None or metric["value"] is None:
        return "–"
    interval = "" if metric["lower"] is None else f" ({metric['lower']:.3f} to {metric['upper']:.3f})"
    return f"{metric['value']:.3f}{interval}, {metric['n']}"


def project_at(home: Path) -> Path:
    """A copy of the code, in which the stages run."""
    project = home / "project"
    project.mkdir(parents=True, exist_ok=True)
    for folder in ("src", "stages", "plugins"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, project / folder, ignore=ignore, dirs_exist_ok=True)
    shutil.copy2(ROOT / "dvc.yaml", project)
    return project


def main() -> None:
    """Train what has no result yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public data sets")
    parser.add_argument("--home", type=Path, default=Path("defaults"), help="folder of results and prepared samples")
    parser.add_argument("--only", nargs="*", default=[], help="sets, or set/variant")
    options = parser.parse_args()
    project, kept = project_at(options.home.absolute()), options.home / "results.json"
    for name, variants in STUDY.items():
        for variant, settings in variants.items():
            key = f"{name}/{variant}"
            results = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
            if key in results or (options.only and not {name, key} & set(options.only)):
                continue
            print(f"== {key}", flush=True)
            params = changed(blocks(name, options.data.absolute(), options.home.absolute()), name, settings)
            results[key] = train(params, name, project)
            kept.write_text(json.dumps(results, indent=1), encoding="utf-8")
    print("\n".join(lines(json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {})))


if __name__ == "__main__":
    main()
