"""The page of cases: every test sample by error, pictures of display copies, nothing that breaks out of the page."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scantune.config.evaluate import EvaluateConfig
from scantune.pipeline.evaluate import case_pictures, cases
from scantune.pipeline.predictions import task_of
from scantune.preprocess import display_copy, store
from scantune.preprocess.display_copy import DisplayCopy
from scantune.tasks.classification.settings import Classification
from scantune.tasks.errors import sample_errors
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.regression.settings import Regression
from scantune.tasks.segmentation.settings import Segmentation
from tests.pipeline.conftest import N, make

IMAGE, VOLUME, VIDEO = ({"modality": name} for name in ("image", "volume", "video"))


def opened(uri: str) -> np.ndarray:
    """The pixels of a data URI."""
    head, _, content = uri.partition(",")
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def tiles(entry: dict[str, Any], image: str = "image", size: str = "size", tile: str = "tile") -> np.ndarray:
    """The pictures of an entry, [N, H, W]."""
    sheet = opened(entry[image] if isinstance(image, str) else entry["masks"][image])
    (height, width), (down, right) = entry[size], entry[tile]
    places = [(n // entry["across"] * down, n % entry["across"] * right) for n in range(len(entry["at"]))]
    return np.stack([sheet[top : top + height, left : left + width] for top, left in places])


def saved(home: Path, tensor: np.ndarray, reading: dict[str, Any], copy: DisplayCopy | None = None, **row: str) -> Any:
    """A sample in a cache: (member, path of its tensor)."""
    path = home / "samples" / "a.safetensors"
    path.parent.mkdir()
    store.save(path, {"input": tensor}, {"reading": reading})
    if copy is not None:
        (home / "display").mkdir()
        display_copy.write(display_copy.path_of(home, "a"), copy)
    member: Any = SimpleNamespace(sample_id="a", row=row)
    return member, path


def test_a_still_is_its_display_copy_and_masks_lie_where_the_network_saw_it(tmp_path: Path) -> None:
    copy = DisplayCopy(np.arange(40 * 80, dtype=np.uint32).astype(np.uint8).reshape(40, 80))
    reading = {"own_size": [40, 80], "patient_orientation": ["L", "F"]}
    sample = saved(tmp_path, np.zeros((1, 16, 16), np.uint8), reading, copy)
    mask = np.eye(16, dtype=np.uint8)
    entry = case_pictures.picture(*sample, IMAGE | {"shape": [16, 16], "resize": "pad"}, (mask, 255 * mask))
    assert np.array_equal(tiles(entry)[0], copy.picture), "small pictures are stored without loss"
    assert entry["sides"] == ("R", "L")
    assert entry["box"] == pytest.approx((-0.5, 0, 2, 1)), "a wide picture is padded above and below"
    assert np.array_equal(opened(entry["masks"][0]), mask)
    assert not opened(entry["masks"][1]).any(), "what does not count is not drawn"


def test_large_stills_shrink_and_pixels_become_square(tmp_path: Path) -> None:
    copy = DisplayCopy(np.full((500, 1000), 90, np.uint8), spacing=(0.5, 0.5))
    entry = case_pictures.picture(
        *saved(tmp_path, np.zeros((1, 8, 8), np.uint8), {"own_size": [500, 1000]}, copy), IMAGE
    )
    assert entry["size"] == [192, 384]
    assert entry["sides"] is None
    assert "masks" not in entry
    assert abs(tiles(entry).astype(int) - 90).max() <= 1
    assert case_pictures._size((100, 50), (1.0, 3.0), 384) == (100, 150)


def test_a_volume_is_seen_from_below_with_anterior_above(tmp_path: Path) -> None:
    picture = np.zeros((40, 20, 30), np.uint8)
    picture[10, 18, 28] = 255  # anterior and left of the subject, in RAS
    copy = DisplayCopy(picture, None, (2.0, 1.0, 1.0), np.diag([1.0, 1, 2, 1]))
    entry = case_pictures.picture(*saved(tmp_path, np.zeros((1, 4, 4, 4), np.uint8), {}, copy), VOLUME)
    planes = tiles(entry)
    assert len(planes) == len(entry["at"]) == case_pictures.COUNTS["volume"]
    assert entry["of"] == 40
    assert entry["at"][0] == 0
    assert entry["at"][-1] == 39
    assert entry["sides"] == ("R", "L")
    at = entry["at"].index(10)
    assert np.unravel_index(planes[at].argmax(), planes[at].shape) == (1, 1)
    assert planes[[n for n in range(32) if n != at]].max() < 40, "no plane shows through in another"


def test_masks_of_a_volume_lie_on_its_display_copy(tmp_path: Path) -> None:
    """The copy has twice the resolution and begins two voxels earlier; the plane that differs most is among the 32."""
    affine = np.diag([2.0, 2, 2, 1])
    grid = np.diag([1.0, 1, 1, 1])
    grid[:3, 3] = -2.5
    copy = DisplayCopy(np.zeros((70, 24, 24), np.uint8), None, (1.0, 1.0, 1.0), grid)
    sample = saved(tmp_path, np.zeros((1, 32, 10, 10), np.uint8), {"affine": affine.tolist()}, copy)
    reference = np.zeros((32, 10, 10), np.uint8)
    reference[20, 3, 4] = 1
    entry = case_pictures.picture(*sample, VOLUME, (reference, np.zeros_like(reference)))
    marked = tiles(entry, 0, "labels", "labels")  # type: ignore[arg-type]
    assert marked[entry["start"]].any()
    place = entry["at"][entry["start"]]
    rows, columns = np.nonzero(marked[entry["start"]][::-1, ::-1])
    for index, voxel in zip((place, rows, columns), (20, 3, 4)):
        assert np.all(np.abs(np.asarray(index) - 2.5 - 2 * voxel) <= 1), "the same millimetres"
    turned = DisplayCopy(
        copy.picture, None, copy.spacing, np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    )
    assert case_pictures._onto((reference, reference), affine, turned) is None


def test_a_loop_keeps_its_time(tmp_path: Path) -> None:
    copy = DisplayCopy(np.zeros((60, 300, 400), np.uint8))
    entry = case_pictures.picture(
        *saved(tmp_path, np.zeros((1, 60, 8, 8), np.uint8), {"frame_time": 40.0, "own_size": [300, 400]}, copy),
        VIDEO | {"period": 2},
    )
    assert len(entry["at"]) == case_pictures.COUNTS["video"]
    assert entry["size"] == [144, 192]
    assert entry["time"] * len(entry["at"]) == pytest.approx(60 * 80)
    (tmp_path / "b").mkdir()
    bare = case_pictures.picture(*saved(tmp_path / "b", np.zeros((3, 6, 8, 8), np.uint8), {}), VIDEO)
    assert bare["time"] is None
    assert opened(bare["image"]).shape[-1] == 3


def evaluation(home: Path, schema: Any, made: Any, out: Path, **changes: Any) -> Any:
    """What :func:`cases.content` takes of an evaluation."""
    sides, facts, model, table = made
    block = SimpleNamespace(task=schema, evaluate=EvaluateConfig(**changes), dataset="d")
    return SimpleNamespace(
        block=block, table=table, facts=facts, sides=sides, model=model, metrics={}, out=out,
        key="x", name="", data="d",
        predictors=SimpleNamespace(task=task_of(schema, facts)),
    )  # fmt: skip


@pytest.mark.parametrize("modality", ["image", "volume", "video"])
def test_every_test_sample_is_listed_the_largest_error_first(tmp_path: Path, modality: str) -> None:
    schema = Regression(target="y", significant_error=2.0)
    made = make(tmp_path, modality, schema, [{"y": str(i)} for i in range(N)])
    page = evaluation(tmp_path, schema, made, tmp_path, cases=3)
    samples = sample_errors(page.table, schema)
    content = cases.content(page, samples)
    sizes = [case["size"] for case in content["cases"]]
    assert len(sizes) == sum(member.split == "test" for member in made[0].members)
    assert sizes == sorted(sizes, reverse=True)
    assert ["picture" in case for case in content["cases"]] == [True] * 3 + [False] * (len(sizes) - 3)
    assert content["groups"] == ["sex"]
    assert {case["groups"][0] for case in content["cases"]} == {"F", "M"}
    assert [case["wrong"] for case in content["cases"]] == [size > 2 for size in sizes]
    image = content["cases"][0]["picture"]
    assert len(image["at"]) == {"image": 1, "volume": 24, "video": 8}[modality]
    assert image["time"] == (80 if modality == "video" else None)
    for case in content["cases"]:
        case.pop("picture", None)
    most = len(json.dumps(content["cases"])) + 2 * len(json.dumps(image)) + 200
    less = cases.content(page, samples, most_bytes=most)
    assert sum("picture" in case for case in less["cases"]) == 2


def test_masks_of_both_stand_in_the_page(tmp_path: Path) -> None:
    schema = Segmentation(classes=("background", "lesion"))
    made = make(tmp_path, "image", Regression(target="y"), [{"y": str(i)} for i in range(N)])
    ids = [member.sample_id for member in made[0].members]
    dice = np.linspace(0.1, 0.9, N)
    table = PredictionTable.make({"sample_id": ids, "dice": dice})
    page = evaluation(tmp_path, schema, (*made[:3], table), tmp_path, cases=2)
    page.answers = SimpleNamespace(mask=lambda sample_id: np.ones((32, 32), np.uint8))
    content = cases.content(page, sample_errors(table, schema))
    assert [case["id"] for case in content["cases"]] == ids
    reference, model = (opened(uri) for uri in content["cases"][0]["picture"]["masks"])
    assert reference.sum() == 30
    assert model.all()
    assert content["classes"] == ["background", "lesion"]


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    return json.loads(found[1])


def test_no_text_breaks_out_of_the_page(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><!--"
    schema = Classification(target="y")
    made = make(
        tmp_path, "image", schema, [{"y": "ab"[i % 2]} for i in range(N)], classes=("a", "b"), loss="cross_entropy"
    )
    table = made[3].with_columns({"site": [evil] * N})
    page = evaluation(tmp_path, schema, (*made[:3], table), tmp_path)
    page.name = evil
    cases.write(page, sample_errors(table, schema), [evil])
    html = (tmp_path / "cases.html").read_text()
    assert html.count("</script>") == 2
    assert "<script>alert" not in html
    data = data_of(html)
    assert data["name"] == evil
    assert data["cases"][0]["groups"][data["groups"].index("site")] == evil
    assert str(tmp_path) not in html
    assert not re.search(r'(src|href)="(?!report\.html|data:)', html)
    assert "http:" not in html
    assert "https:" not in html
    cases.write(evaluation(tmp_path, schema, made, tmp_path, cases=0), sample_errors(made[3], schema))
    assert len((tmp_path / "cases.html").read_text()) < 200
