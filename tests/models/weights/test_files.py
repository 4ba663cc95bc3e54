"""A weights file that could run code is refused, and does not run it."""

import pickle
import zipfile

import pytest
import torch

from scantune import models
from scantune.models.weights import files
from scantune.records import ScantuneError


class _Malicious:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (exec, (f"open({str(self.mark)!r}, 'w').write('ran')",))


def _zip(content, path):
    torch.save(content, path)


def _legacy(content, path):
    torch.save(content, path, _use_new_zipfile_serialization=False)


def _bare(content, path):
    path.write_bytes(pickle.dumps(content))


@pytest.mark.parametrize("write", [_zip, _legacy, _bare])
@pytest.mark.parametrize("name", ["model.pth", "model.safetensors", "weights.pt"])
def test_a_malicious_pickle_is_refused_whatever_its_name(tmp_path, write, name):
    mark = tmp_path / "mark"
    write({"state_dict": {"layers.0.0.weight": _Malicious(mark)}}, tmp_path / name)
    with pytest.raises(ScantuneError, match=r"refused, since it contains more than tensors|not a complete"):
        models.build("small_cnn", modality="image", weights=tmp_path / name)
    assert not mark.exists()


def test_a_malicious_pickle_beside_good_tensors_is_refused(tmp_path):
    mark = tmp_path / "mark"
    state = models.build("small_cnn", modality="image").net.state_dict()
    torch.save({"state_dict": state, "callback": _Malicious(mark)}, tmp_path / "model.pth")
    with pytest.raises(ScantuneError, match="refused"):
        files.read(tmp_path / "model.pth")
    assert not mark.exists()


def test_a_whole_pickled_network_is_refused_with_a_remedy(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pth")
    with pytest.raises(ScantuneError, match="convert its tensors to safetensors"):
        files.read(tmp_path / "model.pth")


def test_a_saved_network_is_loaded_without_any_pickle(tmp_path, make_network, monkeypatch):
    models.save(make_network("small_cnn"), tmp_path)

    def refuse(*args, **kwargs):
        raise AssertionError("something was unpickled")

    monkeypatch.setattr(pickle, "load", refuse)
    monkeypatch.setattr(pickle, "loads", refuse)
    monkeypatch.setattr(torch, "load", refuse)
    assert isinstance(models.load(tmp_path), models.Network)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["architecture.json", "weights.safetensors"]
    assert not zipfile.is_zipfile(tmp_path / "weights.safetensors")


def test_a_malicious_pickle_in_the_place_of_a_saved_networks_weights_is_refused(tmp_path, make_network):
    models.save(make_network("small_cnn"), tmp_path)
    mark = tmp_path / "mark"
    torch.save(_Malicious(mark), tmp_path / "weights.safetensors")
    with pytest.raises(ScantuneError, match="network cannot be loaded"):
        models.load(tmp_path)
    assert not mark.exists()
