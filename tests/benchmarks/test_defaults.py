"""The study of defaults: its blocks load for folders laid out as the public sets are, and differ as stated."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import beside, defaults
from scantune.config.load import parse


@pytest.fixture
def data(tmp_path: Path) -> Path:
    videos = tmp_path / "pocus" / "pocus_videos" / "convex"
    videos.mkdir(parents=True)
    (videos / "a.b.mp4").touch()
    header = "Filename,Label,Patient ID / Name,Probe"
    rows = ["a.b,COVID-19,1,convex", "absent.mp4,regular,2,convex", "a.b.mp4,Viral pneumonia,3,convex"]
    (tmp_path / "pocus" / "dataset_metadata.csv").write_text("\n".join([header, *rows]) + "\n")
    return tmp_path


@pytest.mark.parametrize("name", defaults.STUDY)
def test_every_variant_loads(data: Path, tmp_path: Path, name: str) -> None:
    base = parse(defaults.blocks(name, data, tmp_path)).experiments[name]
    assert (base.model.backbone, base.model.weights) == ("tf_efficientnet_lite0", "imagenet")
    for variant, settings in defaults.STUDY[name].items():
        params = parse(defaults.changed(defaults.blocks(name, data, tmp_path), name, settings))
        changed = params.experiments[name] != base or any("input" in key for key in settings)
        assert changed == (variant != "base")


@pytest.mark.parametrize("name", beside.SETS)
def test_a_set_with_folds_loads(data: Path, tmp_path: Path, name: str) -> None:
    params = parse(beside.folded(name, data, tmp_path, 5, 42))
    assert params.datasets[name].split.folds == params.experiments[name].train.folds == 5


def test_loops_are_found_by_names_without_their_endings(data: Path, tmp_path: Path) -> None:
    defaults.blocks("ultrasound", data, tmp_path)
    lines = (tmp_path / "loops.csv").read_text().splitlines()
    assert lines == ["sample,file,patient,kind,probe", "loop_0,pocus_videos/convex/a.b.mp4,1,covid,convex"]


def test_a_row_of_the_table() -> None:
    metric = {"value": 0.91, "lower": 0.85, "upper": 0.95, "n": 60}
    undefined = {"value": None, "lower": None, "upper": None, "n": 0}
    result = {"metrics": {"accuracy": metric}, "other": {"accuracy": undefined}, "processor_minutes": 1.26}
    *_, row = defaults.lines({"cells/base": result})
    assert row == "| cells | base | accuracy | 0.910 (0.850 to 0.950), 60 | – | 1.3 |"
