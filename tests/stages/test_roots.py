"""A root that stands beside the project, not in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from scantune.cohort.manifest import read_manifest
from tests.stages.conftest import run_stages


@pytest.mark.parametrize(
    "watch", [None, *(pytest.param(path, marks=pytest.mark.slow) for path in ("../scans", "../scans/images"))]
)
def test_a_root_beside_the_project_is_prepared_like_its_absolute_path(tmp_path: Path, watch: str | None) -> None:
    scans = tmp_path / "scans"
    (scans / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(rng.integers(0, 255, (16, 16), dtype=np.uint8)).save(scans / "images" / f"p{i}.png")
    (scans / "t.csv").write_text("id,label\n" + "".join(f"p{i},{i % 2}\n" for i in range(12)))
    written = []
    for name, root in (("relative", "../scans"), ("absolute", str(scans))):
        home = tmp_path / name
        home.mkdir()
        dataset = {"root": root, "table": "t.csv", "files": "images/{id}.png", "subject": "id", "targets": ["label"]}
        if watch is not None:
            dataset["watch"] = watch.replace("../scans", root)
        params = {
            "datasets": {"films": dataset},
            "inputs": {"films": {"modality": "image", "dataset": "films", "shape": [16, 16], "workers": 1}},
            "experiments": {},
        }
        if watch == "../scans/images":
            params["watched"] = {"table": {"dataset": "films", "path": f"{root}/t.csv"}}
        (home / "params.yaml").write_text(yaml.safe_dump(params))
        calls = ["index films", "preprocess films", "split films"]
        run_stages(home, *(["watched table"] if "watched" in params else []), *calls)
        cache = home / "data" / "cache" / "films"
        assert len(read_manifest(cache / "manifest.csv")) == 12
        assert (cache / "excluded.csv").read_text().count("\n") == 1
        written.append((cache / "digests.csv").read_bytes() + (home / "data/splits/films/splits.csv").read_bytes())
    assert written[0] == written[1]
