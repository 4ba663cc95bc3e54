"""What a cohort's own folder says of its data, from the file to the manifest."""

from __future__ import annotations

import json

import pytest

from scantune.cohort.faults import CohortError
from scantune.cohort.provenance import FILE, Provenance, read_provenance, write_provenance


def test_what_is_written_is_read_from_the_folder_and_from_those_below(tmp_path):
    drawn = Provenance("films by a diffusion model", synthetic=True)
    write_provenance(tmp_path, drawn)
    (tmp_path / "train" / "a").mkdir(parents=True)
    assert read_provenance(tmp_path) == read_provenance(tmp_path / "train" / "a") == drawn


def test_the_nearest_folder_counts_and_without_a_file_nothing_is_known(tmp_path):
    write_provenance(tmp_path, Provenance("all", synthetic=True))
    inner = tmp_path / "inner"
    inner.mkdir()
    write_provenance(inner, Provenance("films of one hospital"))
    assert read_provenance(inner) == Provenance("films of one hospital", synthetic=False, demo=False)
    (tmp_path / FILE).unlink()
    (inner / FILE).unlink()
    assert read_provenance(inner) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a JSON file"),
        ("[]", "must be an object"),
        ('{"synthetic": true}', "'description' is missing"),
        ('{"description": "a", "synthetic": "yes"}', r"synthetic: 'yes' must be true or false"),
        ('{"description": 3}', r"description: 3 must be text"),
        ('{"description": "a", "synthetik": true}', r"unknown key 'synthetik': did you mean 'synthetic'"),
    ],
)
def test_a_file_that_is_not_understood_is_refused_by_name(tmp_path, text, message):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(CohortError, match=message) as caught:
        read_provenance(tmp_path)
    assert FILE in str(caught.value)


@pytest.mark.slow
def test_a_cohort_and_its_manifest_and_flow_carry_it(tmp_path):
    import cv2
    import numpy as np
    from pydantic import TypeAdapter

    from scantune import cohort, preprocess
    from scantune.config.dataset import DatasetConfig
    from scantune.config.input import InputConfig

    for label in ("a", "b"):
        (tmp_path / "raw" / label).mkdir(parents=True)
        picture = np.random.default_rng(len(label)).integers(0, 255, (8, 8), np.uint8)
        cv2.imwrite(str(tmp_path / "raw" / label / "1.png"), picture)
    block = {"root": str(tmp_path / "raw"), "watch": str(tmp_path / "raw"), "class_folders": True, "split": {}}
    dataset = DatasetConfig.model_validate({**block, "targets": {"label": "label"}})
    settings = TypeAdapter(InputConfig).validate_python(
        {"dataset": "d", "modality": "image", "shape": [8, 8], "workers": 1}
    )

    def manifest() -> tuple[set[str], object]:
        out = tmp_path / "cache"
        preprocess.run(cohort.read(dataset, tmp_path), settings, out, tmp_path / "store", progress=False)
        rows = preprocess.read_manifest(out / "manifest.csv")
        return {row.row["synthetic"] for row in rows}, json.loads((out / "flow.json").read_text())["cohort"]

    assert manifest() == ({""}, None)
    write_provenance(tmp_path / "raw", Provenance("drawn", synthetic=True))
    assert manifest() == ({"true"}, {"description": "drawn", "synthetic": True, "demo": False})
    write_provenance(tmp_path / "raw", Provenance("films of one hospital"))
    assert manifest()[0] == {"false"}
