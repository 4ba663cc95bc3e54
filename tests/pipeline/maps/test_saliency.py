from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from scantune.pipeline.answers import Answers
from scantune.pipeline.maps import saliency
from scantune.pipeline.predictions import task_of
from scantune.pipeline.train.network import build_network
from scantune.registry.model import load_networks
from scantune.tasks import errors
from scantune.tasks.classification.settings import Classification
from scantune.tasks.regression.settings import Regression
from scantune.tasks.zones.settings import Zones
from tests.pipeline.conftest import Model, N, make, settings


def explain(home: Path, modality: str, schema: Any, targets: list[dict[str, str]], block: Any, **facts: Any) -> Any:
    sides, model_facts, folder, table = make(home, modality, schema, targets, **facts)
    samples = errors.sample_errors(table, schema)
    networks = load_networks(folder, model_facts)
    expected = saliency.MapRequest(networks, model_facts, task_of(schema, model_facts), block, torch.device("cpu"))
    return saliency.explain_test(expected, sides, samples, home / "out"), samples


def numbers() -> list[dict[str, str]]:
    return [{"score": str(i)} for i in range(N)]


def labels() -> list[dict[str, str]]:
    return [{"label": "ab"[i % 2]} for i in range(N)]


def test_maps_of_an_image_come_with_checks_and_the_comparison_with_masks(tmp_path: Path) -> None:
    schema = Classification(target="label")
    result, samples = explain(
        tmp_path, "image", schema, labels(), settings(checks=True), classes=("a", "b"), loss="cross_entropy"
    )
    assert result.section["method"] == "gradcam"
    assert set(result.section["samples"]) == {"best", "worst", "random"}
    assert set(result.section["checks"]) >= {"weight_randomization", "shift_reproducibility", "mask_auprc"}
    assert result.section["checks"]["mask_auprc"]["n"] > 0
    assert {"sheet", "checks", "weight_randomization"} <= set(result.figures)
    assert set(result.section["samples"]["worst"]) <= {s.sample_id for s in samples}


def test_the_stage_asks_for_maps_at_the_level_of_the_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``evaluate.confidence`` reaches the checks, their figures and nothing else of the section."""
    from types import SimpleNamespace

    from scantune.config.evaluate import EvaluateConfig
    from scantune.pipeline.evaluate import reporting

    schema, facts = Classification(target="label"), {"classes": ("a", "b"), "loss": "cross_entropy"}
    sides, model_facts, folder, table = make(tmp_path, "image", schema, labels(), **facts)
    networks = load_networks(folder, model_facts)
    monkeypatch.setattr(reporting, "others_of", lambda *_: {})
    monkeypatch.setattr(reporting, "weights_digest", lambda _: "")

    def explained(level: float) -> saliency.MapResults:
        stated = EvaluateConfig(saliency=settings(checks=True), confidence=level)
        predictors = SimpleNamespace(networks=networks, task=task_of(schema, model_facts), device=torch.device("cpu"))
        evaluation: Any = SimpleNamespace(
            out=tmp_path / str(level),
            params=None,
            key="a",
            model=folder,
            facts=model_facts,
            predictors=predictors,
            answers=Answers(),
            sides=sides,
            block=SimpleNamespace(evaluate=stated, task=schema),
        )
        return reporting._explained(evaluation, errors.sample_errors(table, schema), [])

    usual, narrow = explained(0.95), explained(0.8)
    width = {}
    for name, entry in usual.section["checks"].items():
        other = narrow.section["checks"][name]
        assert entry["value"] == other["value"]
        if entry["lower"] is not None and entry["upper"] > entry["lower"]:
            width[name] = (other["upper"] - other["lower"]) / (entry["upper"] - entry["lower"])
    assert len(width) >= 3
    assert all(0.4 < ratio < 0.8 for ratio in width.values()), width  # t quantiles: 0.43 of 2 subjects, 0.65 of many
    notes = [text.get_text() for figure in narrow.figures.values() for text in figure.texts]
    assert any("80 % interval" in note.replace("\n", " ") for note in notes)
    assert not any("95 % interval" in note.replace("\n", " ") for note in notes)


def test_a_volume_gets_planes_and_a_map_for_a_viewer(tmp_path: Path) -> None:
    import numpy as np

    from scantune import io

    result, _ = explain(tmp_path, "volume", Regression(target="score"), numbers(), settings())
    files = sorted((tmp_path / "out").glob("*.nii.gz"))
    assert files, result.section
    volume = io.read(files[0])
    assert volume.array.shape == (24, 32, 28)
    assert np.allclose(volume.spacing, 3)
    assert any(name.startswith("sample_") for name in result.figures)


def test_a_loop_gets_frames_and_an_animation(tmp_path: Path) -> None:
    result, _ = explain(tmp_path, "video", Regression(target="score"), numbers()[:8], settings(samples=1))
    assert next((tmp_path / "out").glob("*.gif")).read_bytes()[:3] == b"GIF"
    assert next(iter(result.maps.values()))[0].frame_time == 80.0


def test_samples_of_the_error_sheet_have_maps_too(tmp_path: Path) -> None:
    schema = Regression(target="score")
    sides, model_facts, folder, table = make(tmp_path, "image", schema, numbers())
    samples = errors.sample_errors(table, schema)
    expected = saliency.MapRequest(
        load_networks(folder, model_facts),
        model_facts,
        task_of(schema, model_facts),
        settings(samples=1),
        torch.device("cpu"),
    )
    wrong = [error.sample_id for error in errors.worst(samples, at_least=5)]
    assert set(wrong) <= set(saliency.explain_test(expected, sides, samples, tmp_path / "out", wrong).maps)
    assert not set(wrong) <= set(saliency.explain_test(expected, sides, samples, tmp_path / "out").maps)


def test_each_zone_has_a_map_of_its_own(tmp_path: Path) -> None:
    schema = Zones(zones=("right_sup", "left_sup"), grades=3)
    targets = [{"right_sup": str(i % 3), "left_sup": str((i + 1) % 3)} for i in range(N)]
    result, _ = explain(tmp_path, "image", schema, targets, settings(), loss="cross_entropy")
    assert result.section["method"] == "hirescam"
    assert result.section["n_maps"] == 2 * len({s for group in result.section["samples"].values() for s in group})
    assert "every_question" in result.figures
    zones = {view.explained.split(":")[0] for view, _ in result.maps.values()}
    assert zones <= {"right sup", "left sup"}


@pytest.mark.parametrize(
    ("block", "says"),
    [({"layer": "nowhere"}, "is not a layer"), ({"method": "rollout"}, ""), ({"enabled": False}, "switched off")],
)
def test_what_cannot_be_made_is_a_reason_and_no_error(tmp_path: Path, block: dict[str, Any], says: str) -> None:
    result, _ = explain(tmp_path, "image", Regression(target="score"), numbers(), settings(**block))
    assert says in result.section["reason"]
    assert result.maps == {}
    assert str(tmp_path) not in result.section["reason"]


def test_the_same_seed_draws_the_same_samples(tmp_path: Path) -> None:
    runs = [
        explain(tmp_path / name, "image", Regression(target="score"), numbers(), settings(seed=5))[0] for name in "ab"
    ]
    assert runs[0].section == runs[1].section


@pytest.mark.parametrize(
    ("block", "layer"),
    [
        ({"method": "rollout"}, "all blocks"),
        ({"method": "attention", "layer_idx": 0}, "backbone.net.blocks.0.attn"),
        ({}, "backbone.net.blocks.11.norm1"),
    ],
)
def test_a_vision_transformer_has_maps_of_its_attention_and_of_its_tokens(
    tmp_path: Path, block: dict[str, Any], layer: str, caplog: pytest.LogCaptureFixture
) -> None:
    schema = Regression(target="score")
    sides, model_facts, _, table = make(tmp_path, "image", schema, numbers())
    task = task_of(schema, model_facts)
    network = build_network(task, Model("vit_tiny_patch16_224"), "image", (1, 32, 32), 0)  # type: ignore[arg-type]
    expected = saliency.MapRequest(
        [network.eval()], model_facts, task, settings(samples=1, **block), torch.device("cpu")
    )
    with caplog.at_level("INFO"):
        result = saliency.explain_test(expected, sides, errors.sample_errors(table, schema), tmp_path / "out").section
    assert (result["layer"], result["grid"]) == (layer, [2, 2])
    assert f"at {layer}, grid 2 × 2" in caplog.text
