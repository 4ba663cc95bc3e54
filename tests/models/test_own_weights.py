"""Weights in a file of the user's own: their digest stands in params.yaml, and another file is refused."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from scantune.config.load import ConfigError, parse
from scantune.config.model import ModelConfig
from scantune.digests import file_digest
from scantune.models import own_weights
from scantune.records import ScantuneError
from tests.config.test_load import GOOD


def with_model(**keys: object) -> dict:
    copied = copy.deepcopy(GOOD)
    copied["experiments"]["knees"]["model"] |= keys
    return copied


def test_a_file_without_its_digest_is_refused_with_the_line_to_add(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"weights")
    with pytest.raises(ConfigError, match=r"experiments\.knees\.model\.weights: .* add weights_sha256: ") as caught:
        parse(with_model(weights=str(path)))
    (fault,) = caught.value.faults
    digest = fault.rpartition(" ")[2]
    assert digest == file_digest(path)
    assert parse(with_model(weights=str(path), weights_sha256=digest)).experiments["knees"].model.source == str(path)
    with pytest.raises(ConfigError, match=r"digest of /nowhere/x\.pth, which is not on this machine"):
        parse(with_model(weights="/nowhere/x.pth"))


def test_a_digest_is_for_a_file() -> None:
    with pytest.raises(ConfigError, match="weights is 'imagenet'; remove weights_sha256"):
        parse(with_model(weights="imagenet", weights_sha256=64 * "0"))


def test_a_changed_file_is_refused_by_the_training(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(b"weights")
    block = ModelConfig(backbone="resnet18", weights=str(path), weights_sha256=own_weights.digest_of(path))
    own_weights.check(block)
    path.write_bytes(b"others")
    with pytest.raises(ScantuneError, match="Put the earlier file back, or write the new digest"):
        own_weights.check(block)


def test_what_lies_beside_saved_weights_counts(tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"weights")
    (tmp_path / "architecture.json").write_text("{}")
    before = [own_weights.digest_of(path) for path in (tmp_path, tmp_path / "weights.safetensors")]
    (tmp_path / "architecture.json").write_text("[]")
    after = [own_weights.digest_of(path) for path in (tmp_path, tmp_path / "weights.safetensors")]
    assert not set(before) & set(after)
    assert own_weights.place_of("weights.safetensors", tmp_path) == tmp_path / "weights.safetensors"
