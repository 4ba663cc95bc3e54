"""The hippocampus of the Decathlon in five folds: ``python -m benchmarks hippocampus --data FOLDER``.

FOLDER has ``imagesTr`` and ``labelsTr`` of Task04 (or ``images`` and ``labels``). A fold is what nnU-Net makes of five
(``KFold`` with its seed); of the others' subjects ten choose the checkpoint and the rest train. ``--nnunet`` trains
nnU-Net itself on the same folds for the same processor minutes, on all subjects of the others. It runs in an
environment of its own, made once by ``uv venv nnunet && uv pip install --python nnunet/bin/python nnunetv2==2.8.1`` and
named by ``SCANTUNE_NNUNET_PYTHON=nnunet/bin/python``. Dice is that of the masks as written, against the files, on their
grid. Results are kept in ``--home``, and a fold that is there is not trained again; without ``--folds`` a table of what
is there is printed.
"""

from __future__ import annotations

import argparse
import csv
import os
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from sklearn.model_selection import KFold

from benchmarks import budget, defaults

LABELS = {1: "anterior", 2: "posterior"}
NAME, CHOOSING = "hippocampus", 10
#: Seed by which nnU-Net deals subjects to folds.
_SEED = 12345
#: The network of ``scantune get msd_hippocampus`` and a batch of two, for most steps in a minute.
MODEL = {"backbone": "plain_unet", "options": {"channels": [16, 32, 64, 128]}}
TRAIN = {
    "batch_size": 2,
    "learning_rate": 5.0e-3,
    "scheduler": "onecycle",
    "patches": {"per_sample": 1, "foreground": 0.33},
    "augment": {"p": 0.5, "flip_left_right": 0.5, "rotation": 12, "zoom": 0.12, "brightness": 0.15, "contrast": 0.15},
    "validate_every": 1000,
    "monitor": "val_dice",
    "early_stopping": False,
    "test_time_augmentation": 1,
}


def pairs_of(data: Path) -> dict[str, tuple[Path, Path]]:
    """Image and mask of each subject that has both."""
    folders = [(data / "imagesTr", data / "labelsTr"), (data / "images", data / "labels")]
    images, labels = next(pair for pair in folders if all(folder.is_dir() for folder in pair))
    names = sorted(path.name for path in images.glob("[!.]*.nii.gz") if (labels / path.name).is_file())
    return {name.removesuffix(".nii.gz"): (images / name, labels / name) for name in names}


def sides_of(subjects: list[str], fold: int) -> tuple[list[str], list[str]]:
    """Subjects that train and subjects that are predicted, as nnU-Net's fold of this number has them."""
    rest, test = list(KFold(5, shuffle=True, random_state=_SEED).split(subjects))[fold]
    return [subjects[i] for i in rest], [subjects[i] for i in test]


def blocks(data: Path, fold: int, folder: Path) -> dict[str, Any]:
    """The blocks of a fold; its table is written into a folder."""
    pairs = pairs_of(data)
    rest, test = sides_of(list(pairs), fold)
    chosen = set(np.random.default_rng(fold).choice(rest, CHOOSING, replace=False))
    sides = dict.fromkeys(test, "test") | {n: "validation" if n in chosen else "train" for n in rest}
    table = folder / "fold.csv"
    folder.mkdir(parents=True, exist_ok=True)
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = ([name, *(path.relative_to(data) for path in pairs[name]), side] for name, side in sides.items())
        csv.writer(file).writerows([["sample_id", "file", "mask", "side"], *rows])
    dataset = {
        "root": str(data),
        "table": str(table),
        "files": "{file}",
        "sample": "{sample_id}",
        "masks": "{mask}",
        "subject": "sample_id",
        "split": {"method": "predefined", "columns": "side"},
    }
    scan = {"modality": "volume", "spacing": [1.0, 1.0, 1.0], "patch": [40, 56, 40], "intensity": "zscore"}
    task = {"name": "segmentation", "classes": ["background", *LABELS.values()]}
    evaluate = {"saliency": False, "draws": 500, "write_masks": True}
    parts = {"dataset": NAME, "input": NAME, "task": task, "model": MODEL, "train": dict(TRAIN)}
    return {
        "datasets": {NAME: dataset},
        "inputs": {NAME: {"dataset": NAME, **scan}},
        "experiments": {NAME: {**parts, "evaluate": evaluate, "register": {}}},
    }


def scantune(data: Path, fold: int, minutes: float, home: Path, epochs: int) -> dict[str, Any]:
    """Train on four folds, predict the fifth."""
    folder = home / f"fold_{fold}"
    params = blocks(data, fold, folder)
    project = budget.project(folder, params)
    for name in ("index", "preprocess", "split"):
        defaults.run_stage(project, name, NAME)
    if not epochs:
        fitted = home / "epochs" / f"{minutes:g}.json"
        known = budget.kept(fitted) or {"epochs": budget.epochs_within(minutes, project, params, NAME)}
        budget.keep(fitted, known)
        epochs = known["epochs"]
    used = budget.train(project, params, NAME, epochs=epochs)
    masks = project / "outputs" / NAME / "evaluate" / "masks"
    return {"epochs": epochs, "processor_minutes": used, "dice": scores(data, fold, masks)}


def nnunet(data: Path, fold: int, minutes: float, home: Path, batch: int) -> dict[str, Any]:
    """The same of nnU-Net, with its plan; ``batch`` replaces the plan's, 0 does not."""
    folder = home / "nnunet"
    raw = folder / "raw" / "Dataset004_Hippocampus"
    for part in ("imagesTr", "labelsTr"):
        (raw / part).mkdir(parents=True, exist_ok=True)
    for name, (image, mask) in pairs_of(data).items():
        for link, path in ((raw / f"imagesTr/{name}_0000.nii.gz", image), (raw / f"labelsTr/{name}.nii.gz", mask)):
            if not link.exists():
                link.symlink_to(path)
    out = folder / f"fold_{fold}_{batch or 'plan'}"
    out.mkdir(parents=True, exist_ok=True)
    train, test = sides_of(list(pairs_of(data)), fold)
    budget.keep(out / "sides.json", {"train": train, "test": test, "labels": list(LABELS.values())})
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    env |= {f"nnUNet_{name}": str(folder / name) for name in ("raw", "preprocessed")} | {"nnUNet_results": str(out)}
    script = str(Path(__file__).with_name("nnunet_side.py"))
    command = [env["SCANTUNE_NNUNET_PYTHON"], script, str(raw), str(fold), str(minutes), str(batch), str(out)]
    defaults.timed(command, {**env, "OMP_NUM_THREADS": "1", "nnUNet_def_n_proc": "1"}, folder)
    facts = budget.kept(out / "facts.json")
    assert facts is not None
    return {**facts, "dice": scores(data, fold, out / "masks")}


def scores(data: Path, fold: int, masks: Path) -> dict[str, dict[str, float]]:
    """Dice of each label by subject of the fold, on the grid of the files."""
    pairs = pairs_of(data)
    result: dict[str, dict[str, float]] = {name: {} for name in LABELS.values()}
    for subject in sides_of(list(pairs), fold)[1]:
        truth, predicted = nibabel.load(pairs[subject][1]), nibabel.load(masks / f"{subject}.nii.gz")  # type: ignore[attr-defined]
        assert truth.shape == predicted.shape, subject
        assert np.allclose(truth.affine, predicted.affine, atol=1e-3), subject
        arrays = [np.asanyarray(image.dataobj).round().astype(int) for image in (truth, predicted)]
        for label, name in LABELS.items():
            result[name][subject] = budget.dice(arrays[0] == label, arrays[1] == label)
    return result


def table(home: Path) -> None:
    """Mean Dice by class of what is there: fold by fold, all subjects, and against scantune on the same subjects."""
    results = {path.stem: budget.kept(path) for path in sorted(home.glob("*.json"))}
    kinds = sorted({name.rsplit("_", 1)[0] for name in results})
    print("| | fold | length | processor minutes | anterior | posterior |\n| --- | --- | --- | --- | --- | --- |")
    joined: dict[str, dict[str, dict[str, float]]] = {}
    for kind in kinds:
        folds = {name[-1]: result for name, result in results.items() if name.rsplit("_", 1)[0] == kind and result}
        for fold, result in folds.items():
            means = " | ".join(f"{np.nanmean(list(result['dice'][name].values())):.4f}" for name in LABELS.values())
            print(f"| {kind} | {fold} | {_length(result)} | {result['processor_minutes']:.1f} | {means} |")
        joined[kind] = {
            name: {s: v for r in folds.values() for s, v in r["dice"][name].items()} for name in LABELS.values()
        }
        values = [np.array(list(joined[kind][name].values())) for name in LABELS.values()]
        print(f"| **{kind}** | {len(folds)} | | | {' | '.join(budget.interval(v) for v in values)} |")
    for kind in kinds[:-1] if "scantune" in kinds else []:
        differences = []
        for name in LABELS.values():
            both = sorted(joined[kind][name].keys() & joined["scantune"][name].keys())
            ours, theirs = (np.array([joined[k][name][s] for s in both]) for k in ("scantune", kind))
            differences.append(budget.interval(ours - theirs))
        print(f"| scantune − {kind}, the same {len(both)} subjects | | | | {' | '.join(differences)} |")


def _length(result: dict[str, Any]) -> str:
    if "epochs" in result:
        return f"{result['epochs']} epochs"
    return f"{result['steps']} steps of {result['batch']} patches"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with imagesTr and labelsTr")
    parser.add_argument("--home", type=Path, default=Path("hippocampus"), help="folder of results and prepared samples")
    parser.add_argument("--minutes", type=float, default=8, help="processor minutes of a training")
    parser.add_argument("--folds", type=int, nargs="*", default=[], choices=range(5))
    parser.add_argument("--epochs", type=int, default=0, help="instead of a measurement of how many fit")
    parser.add_argument("--nnunet", action="store_true", help="nnU-Net in place of scantune")
    parser.add_argument("--batch", type=int, default=0, help="of nnU-Net, in place of the one that it plans")
    options = parser.parse_args()
    if options.nnunet and "SCANTUNE_NNUNET_PYTHON" not in os.environ:
        parser.error("SCANTUNE_NNUNET_PYTHON names no interpreter that has nnU-Net")
    data, home = options.data.resolve(), options.home.resolve()
    kind = "scantune" if not options.nnunet else f"nnunet-{options.batch or 'plan'}"
    for fold in options.folds:
        path = home / f"{kind}_{fold}.json"
        if path.exists():
            continue
        if options.nnunet:
            budget.keep(path, nnunet(data, fold, options.minutes, home, options.batch))
        else:
            budget.keep(path, scantune(data, fold, options.minutes, home, options.epochs))
    table(home)


if __name__ == "__main__":
    main()
