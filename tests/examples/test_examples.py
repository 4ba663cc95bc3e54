"""Every example is right as it stands: settings that load, backbones and weights that exist under these names."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scantune.config.load import load
from scantune.config.training_notes import notes_of

FILES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


def blocks(path: Path):
    params = load(path)
    return params, {**params.experiments, **params.derived}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_loads_and_states_what_dvc_needs(path):
    _, result = blocks(path)
    assert result
    written = yaml.safe_load(path.read_text())
    assert {"demo", "datasets", "inputs", "experiments", "derived", "external", "ensembles"} <= set(written)
    for group in ("experiments", "derived"):
        for name, block in (written.get(group) or {}).items():
            assert {"dataset", "input", "task", "model", "train", "evaluate", "register"} <= set(block), name
            assert block["description"], name
    assert all("watch" in block for block in written["datasets"].values())
    assert all(not notes_of(block.train) for block in result.values())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_block_says_what_was_measured_and_where_weights_come_from(path):
    text = path.read_text()
    lines = text.splitlines()
    written = yaml.safe_load(text)
    for group in ("experiments", "derived"):
        for name, block in (written.get(group) or {}).items():
            at = lines.index(f"  {name}:", lines.index(f"{group}:"))
            comment = ""
            while lines[at - 1].lstrip().startswith("#"):
                at -= 1
                comment = lines[at].strip() + " " + comment
            assert "measured" in comment, name
            if block["model"].get("weights"):
                assert "Weights:" in comment, name


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_networks_of_an_example_can_be_built_and_the_weights_are_known(path):
    import torch

    from scantune.models.weights import known
    from scantune.pipeline.train.network import build_network
    from scantune.tasks.build import build_task

    params, result = blocks(path)
    for block in result.values():
        source = params.inputs[block.input]
        classes = getattr(block.task, "classes", None) or ("a", "b")
        task = build_task(block.task, classes=tuple(classes), loss=block.train.loss.name if block.train.loss else None)
        channels = getattr(source, "channels", 1)
        shape = (channels, *([source.frames] if source.modality == "video" else []), *source.shape)
        bare = block.model.model_copy(update={"weights": None, "pretrained": False})
        with torch.device("meta"):
            network = build_network(task, bare, source.modality, shape, 0)
            output = network(torch.zeros(1, *shape))
        assert output.shape[0] == 1
        if block.model.source:
            assert known.find(block.model.source, network.backbone).licence
