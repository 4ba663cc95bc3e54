import errno
import os
import resource
import threading

import numpy as np
import pytest
from safetensors.numpy import load_file

from scantune.preprocess import store


def arrays(n: int = 1000) -> dict[str, np.ndarray]:
    return {"input": np.arange(n, dtype=np.float16)[None], "mask": np.ones((1, n), np.uint8)}


def test_what_is_saved_is_loaded_by_us_and_by_safetensors(tmp_path):
    path = store.sample_path(tmp_path, "ab12")
    digests = store.save(path, arrays(), {"shape": [1, 1000]})
    for result in (store.load(path), load_file(path), {k: v.numpy() for k, v in store.load_torch(path).items()}):
        for name, array in arrays().items():
            np.testing.assert_array_equal(result[name], array)
    assert store.facts(path) == {"shape": [1, 1000], **digests} == store.verify(path)


def test_eight_bits_stand_for_0_to_1_in_numpy_and_torch(tmp_path):
    path = tmp_path / "a.safetensors"
    store.save(path, {"input": np.array([[0, 51, 255]], np.uint8)}, {})
    expected = [[0.0, 0.2, 1.0]]
    np.testing.assert_allclose(store.as_float(store.load(path)["input"]), expected, rtol=1e-6)
    np.testing.assert_allclose(store.as_float(store.load_torch(path)["input"]).numpy(), expected, rtol=1e-6)


def test_the_tensor_s_digest_depends_on_the_tensor_alone(tmp_path):
    one = store.save(tmp_path / "a", arrays(), {"reading": "x"})
    other = store.save(tmp_path / "b", arrays(), {"reading": "y"})
    assert one["tensor_digest"] == other["tensor_digest"]
    assert one["digest"] != other["digest"]


def test_a_digest_is_of_the_values_however_they_lie_in_memory():
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert store.array_digest(np.asfortranarray(picture)) == store.array_digest(picture)


def test_a_flipped_bit_anywhere_is_found(tmp_path):
    path = tmp_path / "a.safetensors"
    store.save(path, arrays(), {"mean": 0.5})
    whole = path.read_bytes()
    for place in [*range(0, 400, 7), len(whole) - 1, len(whole) - 1500]:
        broken = bytearray(whole)
        broken[place] ^= 4
        path.write_bytes(broken)
        try:
            result = store.verify(path)
        except store.Damaged:
            continue
        # Blanks that pad the header mean nothing; all else must be noticed.
        assert whole[place : place + 1] in (b" ", b"\x00"), place
        assert result["mean"] == 0.5


@pytest.mark.parametrize("cut", [0, 4, 30, 1500])
def test_a_cut_file_is_no_sample(tmp_path, cut):
    path = tmp_path / "a.safetensors"
    store.save(path, arrays(), {})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(store.Damaged):
        store.load(path)


def test_a_full_disk_is_told_with_the_bytes_needed_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "s" / "a.safetensors"
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limit[1]))
    try:
        with pytest.raises(store.StoreFull, match=r"needs 3\d,\d\d\d bytes, [\d,]+ are free"):
            store.save(path, arrays(10_000), {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert list(path.parent.iterdir()) == []
    store.save(path, arrays(10_000), {})
    assert store.verify(path)


def test_no_room_when_the_data_is_flushed(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "a.safetensors"
    store.save(path, arrays(), {"which": "first"})
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(store.StoreFull):
        store.save(path, arrays(), {"which": "second"})
    assert store.verify(path)["which"] == "first"


def test_writers_of_one_key_at_once_end_with_a_whole_sample(tmp_path):
    path = tmp_path / "s" / "a.safetensors"
    writers = [threading.Thread(target=store.save, args=(path, arrays(50_000), {})) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert store.verify(path)
    assert [p.name for p in path.parent.iterdir()] == ["a.safetensors"]


def test_links_share_the_file_or_copy_it_and_replace_what_was_there(tmp_path, monkeypatch):
    path, target = tmp_path / "a", tmp_path / "b"
    store.save(path, arrays(), {})
    target.write_text("old")
    store.link(path, target)
    assert store.verify(target)
    store.link(path, target)  # once more, onto itself
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EXDEV, "other disk")))
    store.link(path, target)
    assert target.stat().st_ino != path.stat().st_ino
    assert store.verify(target)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_halves_of_killed_runs_are_swept_when_old(tmp_path):
    folder = tmp_path / "samples" / "ab"
    folder.mkdir(parents=True)
    for name in (".new", ".old"):
        (folder / name).touch()
    os.utime(folder / ".old", (0, 0))
    store.sweep(tmp_path)
    assert [p.name for p in folder.iterdir()] == [".new"]
