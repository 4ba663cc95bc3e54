"""The example's blocks on generated files in the layout of NSCLC-Radiomics."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import yaml

from scantune import io
from scantune.config.load import read
from tests.stages.conftest import run_stages

EXAMPLE = Path(__file__).parents[3] / "examples" / "survival.yaml"
HEADER = ["PatientID", "age", "Overall.Stage", "Histology", "gender", "Survival.time", "deadstatus.event"]


@pytest.mark.slow
def test_the_example_prepares_and_splits_the_collection(tmp_path):
    root, rng = tmp_path / "raw", np.random.default_rng(0)
    (root / "ct").mkdir(parents=True)
    rows = []
    for person in range(1, 25):
        name = f"LUNG1-{person:03d}"
        rows.append([name, 60 + person / 10, "IIIb", "large cell", "male", 100 * person, int(person % 4 > 0)])
        values = rng.normal(-400, 300, (12, 12, 8)).astype(np.float32)
        io.write_nifti(root / "ct" / f"{name}.nii.gz", io.Volume(values, np.diag([10.0, 10.0, 10.0, 1.0])))
    with (root / "clinical.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    params = read(EXAMPLE)
    params["datasets"]["lung1"] |= {"root": str(root), "watch": str(root)}
    params["inputs"]["lung1"] |= {"shape": [12, 12, 8], "spacing": [10, 10, 10], "workers": 1}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    run_stages(tmp_path, "preprocess lung1", "split lung1")
    with (tmp_path / "data/cache/lung1/manifest.csv").open() as file:
        manifest = list(csv.DictReader(file))
    assert len(manifest) == 24
    assert {(float(r["target/time"]), float(r["target/event"])) for r in manifest} >= {(100, 1), (400, 0)}
    with (tmp_path / "data/splits/lung1/splits.csv").open() as file:
        sides = {r["sample_id"]: r["split"] for r in csv.DictReader(file)}
    censored = [sides[r["sample_id"]] for r in manifest if float(r["target/event"]) == 0]
    assert set(censored) == {"train", "validation", "test"}
