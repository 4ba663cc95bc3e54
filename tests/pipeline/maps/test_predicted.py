"""Maps beside the answers about single files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scantune import io
from scantune.config.input import ImageInput, VideoInput, VolumeInput
from scantune.pipeline.maps import predicted as predicted_maps
from scantune.pipeline.predictions import task_of
from scantune.pipeline.train.network import build_network
from scantune.records import ScantuneError
from scantune.registry.model import ModelFacts
from scantune.registry.predictor import Predictor
from scantune.tasks.classification.settings import Classification
from scantune.tasks.regression.settings import Regression
from scantune.tasks.zones.settings import Zones
from tests.pipeline.conftest import Model


def opened(settings: Any, schema: Any, shape: tuple[int, ...], **facts: Any) -> Predictor:
    model_facts = ModelFacts(
        "m", "d", schema.model_dump(mode="json"), settings.model_dump(mode="json"), **{"loss": "mse", **facts}
    )
    network = build_network(task_of(schema, model_facts), Model("small_cnn"), settings.modality, shape, 0)  # type: ignore[arg-type]
    return Predictor(model_facts, [network.eval()])


def ask(model: Predictor, source: Path, out: Path) -> Path:
    (answer,) = model.predict([source])
    assert not answer.reason
    return predicted_maps.write_map(out, source, answer, model)


def test_a_scan_gets_planes_and_a_file_on_its_own_grid(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(100, 20, (30, 36, 32)).astype(np.float32)
    affine = np.array([[2.0, 0, 0, -30], [0, 2, 0, -40], [0, 0, 2, -20], [0, 0, 0, 1]])
    io.write_nifti(tmp_path / "scan.nii.gz", io.Volume(array, affine))
    settings = VolumeInput(dataset="d", modality="volume", spacing=[3, 3, 3], shape=[16, 16, 16])
    model = opened(settings, Regression(target="score"), (1, 16, 16, 16))
    path = ask(model, tmp_path / "scan.nii.gz", tmp_path / "maps")
    assert path.name == "scan.png"
    overlay = io.read(tmp_path / "maps" / "scan.nii.gz")
    assert overlay.array.shape == array.shape
    np.testing.assert_allclose(overlay.affine, affine)
    assert ask(model, tmp_path / "scan.nii.gz", tmp_path / "maps").name == "scan_2.png"  # nothing is written over


def test_a_loop_gets_frames_and_an_animation(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (6, 64, 80)).astype(np.uint8)
    io.write_cine(tmp_path / "loop.dcm", frames, patient_id="p", seed="1", encoding="raw")
    settings = VideoInput(dataset="d", modality="video", shape=[32, 32], frames=4)
    facts = {"classes": ("bad", "good"), "loss": "cross_entropy"}
    model = opened(settings, Classification(target="q"), (1, 4, 32, 32), **facts)
    ask(model, tmp_path / "loop.dcm", tmp_path / "maps")
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["loop.gif", "loop.png"]


def test_every_zone_has_its_map_on_one_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scantune.explain import draw

    seen: list[Any] = []
    sheet = draw.sheet
    monkeypatch.setattr(draw, "sheet", lambda groups, **more: seen.append((groups, more)) or sheet(groups, **more))
    io.write_png(tmp_path / "film.png", np.random.default_rng(0).integers(0, 255, (48, 40)).astype(np.uint8))
    schema = Zones(zones=("right_sup", "left_sup"), grades=3)
    settings = ImageInput(dataset="d", modality="image", shape=[32, 32])
    model = opened(settings, schema, (1, 32, 32), loss="cross_entropy")
    ask(model, tmp_path / "film.png", tmp_path / "maps")
    ((groups, more),) = seen
    assert [view.explained.split(":")[0] for view, _ in groups["film"]] == ["right sup", "left sup"]
    assert len(groups["film"][0][0].prediction.split()) == 2
    assert "right sup, left sup" in more["notes"][0]


def test_a_foreign_model_has_no_maps() -> None:
    class Foreign:
        facts = None

    with pytest.raises(ScantuneError, match="requires a model folder of scantune"):
        predicted_maps.check(Foreign())


def test_method_and_layer_are_those_that_were_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scantune.explain import draw

    made: list[Any] = []
    drawn = draw.draw
    monkeypatch.setattr(draw, "draw", lambda view, saliency: made.append(saliency) or drawn(view, saliency))
    film = tmp_path / "film.png"
    io.write_png(film, np.random.default_rng(0).integers(0, 255, (48, 40)).astype(np.uint8))
    settings = ImageInput(dataset="d", modality="image", shape=[32, 32])
    model = opened(settings, Regression(target="score"), (1, 32, 32))
    (answer,) = model.predict([film])
    predicted_maps.write_map(tmp_path / "maps", film, answer, model)
    predicted_maps.write_map(tmp_path / "maps", film, answer, model, method="eigencam", layer="layers.0.2")
    assert [(one.method, one.layer) for one in made][1] == ("eigencam", "backbone.net.layers.0.2")
    assert made[0].method == "gradcam"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"layer": "nowhere"}, "--map-layer: 'nowhere' is not a layer"),
        ({"method": "xray"}, "--map-method: 'xray' is not one of"),
        ({"method": "rollout"}, "--map-method: rollout requires a timm vision transformer"),
    ],
)
def test_a_layer_or_method_that_there_is_not_is_refused_before_anything_is_asked(
    options: dict[str, str], says: str
) -> None:
    model = opened(ImageInput(dataset="d", modality="image", shape=[32, 32]), Regression(target="score"), (1, 32, 32))
    with pytest.raises(ScantuneError, match=says):
        predicted_maps.check(model, **options)
