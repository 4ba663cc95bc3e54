"""Cached tensors, a model and the block of an input agree, or it is said which key differs."""

from __future__ import annotations

import json

import pytest

from scantune.config.input import ImageInput, VideoInput, VolumeInput
from scantune.preprocess import agreement
from scantune.records import ScantuneError

IMAGE = ImageInput(dataset="d", modality="image", shape=[32, 24], workers=1)


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        (IMAGE, (32, 24)),
        (ImageInput(dataset="d", modality="image"), None),
        (VolumeInput(dataset="d", modality="volume", shape=[4, 5, 6]), (6, 5, 4)),  # R, A, S -> D, H, W
        (VolumeInput(dataset="d", modality="volume"), None),
        (VideoInput(dataset="d", modality="video", shape=[8, 9], frames=3), (3, 8, 9)),
    ],
)
def test_the_tensors_axes_follow_from_the_settings(settings, shape):
    assert agreement.spatial_shape(settings) == shape
    assert agreement.spatial_shape(settings.model_dump(mode="json")) == shape


def test_settings_that_make_no_other_tensor_do_not_differ(tmp_path):
    agreement.write_input(tmp_path, IMAGE)
    before = (tmp_path / "input.json").read_text()
    other = IMAGE.model_copy(update={"dataset": "e", "workers": 9, "time_limit": 5.0, "verify_fraction": 0.0})
    assert agreement.differing(IMAGE, other) == {}
    agreement.write_input(tmp_path, other)
    assert (tmp_path / "input.json").read_text() == before
    agreement.check_cache("d", other, tmp_path, [(1, 32, 24)])


def test_a_setting_that_is_newer_than_the_cache_had_its_default(tmp_path):
    agreement.write_input(tmp_path, IMAGE)
    content = json.loads((tmp_path / "input.json").read_text())
    del content["mask_text"]
    (tmp_path / "input.json").write_text(json.dumps(content))
    agreement.check_cache("d", IMAGE, tmp_path)


def test_a_cache_prepared_in_another_way_is_told_by_key_and_both_values(tmp_path):
    agreement.write_input(tmp_path, IMAGE)
    other = ImageInput(dataset="d", modality="image", shape=[16, 16], intensity="percentile")
    with pytest.raises(ScantuneError) as caught:
        agreement.check_cache("films", other, tmp_path)
    message = str(caught.value)
    assert "inputs.films.shape is [16, 16], but they were prepared with [32, 24]" in message
    assert "inputs.films.intensity is {'name': 'percentile'" in message
    assert message.endswith("run: dvc repro -f preprocess@films")


def test_tensors_of_another_shape_than_the_block_gives_are_told(tmp_path):
    agreement.write_input(tmp_path, IMAGE)
    with pytest.raises(
        ScantuneError, match=r"manifest\.csv has tensors of 16×16, but inputs\.films\.shape gives 32×24"
    ):
        agreement.check_cache("films", IMAGE, tmp_path, [(1, 32, 24), (1, 16, 16)])


def test_a_cache_of_an_earlier_version_is_told_what_to_run(tmp_path):
    with pytest.raises(ScantuneError, match=r"input\.json: not here; run: dvc repro -f preprocess@"):
        agreement.check_cache("films", IMAGE, tmp_path)


def test_a_model_of_other_tensors_is_told():
    agreement.check_facts("films", IMAGE, [1, 32, 24])
    agreement.check_facts("films", IMAGE, None)
    with pytest.raises(ScantuneError, match=r"'films': its input block gives tensors of 32×24, .* trained on 16×16"):
        agreement.check_facts("films", IMAGE, [1, 16, 16])


def test_a_patch_makes_no_other_tensor_but_another_training(tmp_path):
    from scantune.preprocess.sample import sample_key

    patched = IMAGE.model_copy(update={"patch": [8, 8]})
    network = {"patch": [8, 8], "overlap": 0.5, "window_precision": "32"}
    assert agreement.differing(IMAGE, patched) == {key: (None, value) for key, value in network.items()}
    assert sample_key(["a"], [], IMAGE.model_dump(mode="json")) == sample_key(
        ["a"], [], patched.model_dump(mode="json")
    )
    agreement.write_input(tmp_path, IMAGE)
    before = json.loads((tmp_path / "input.json").read_text())
    assert "overlap" not in before, "an input without patches is what it was"
    agreement.write_input(tmp_path, patched)
    after = json.loads((tmp_path / "input.json").read_text())
    assert after == {**before, **network}
    agreement.check_facts("m", patched, [1, 8, 8])
    with pytest.raises(ScantuneError, match="8×8"):
        agreement.check_facts("m", patched, [1, 32, 24])
