"""The GPU benchmark on sizes that a processor manages: it measures the same training as the bare loop beside it."""

import json
import os
from pathlib import Path

import pytest
import torch

from benchmarks import gpu, gpu_nets

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("net", [gpu_nets.SMALL[0], gpu_nets.SMALL[3]], ids=lambda net: net[0])
def test_engine_and_bare_loop_come_to_the_same_loss(net):
    result = gpu.of_net(*net, steps=3)
    assert result["float32"]["loss"] == pytest.approx(result["bare float32"]["loss"], rel=1e-3)
    assert result["float32 DDP"]["loss"] == pytest.approx(result["float32"]["loss"], rel=1e-3)
    assert {"MONAI float32", "predictions"} <= set(result)
    assert ("maps" in result) == ("bf16 from the cache" in result) == (net[1] != "mask")
    assert all(entry["images_per_second"] > 0 for entry in result.values() if isinstance(entry, dict))
    assert result["float32"]["first_loss"] == pytest.approx(result["bare float32"]["first_loss"], rel=1e-5)
    assert len(gpu.rows(result)) == sum(isinstance(entry, dict) for entry in result.values())


@pytest.mark.slow
def test_a_way_that_fails_is_a_row_and_the_others_are_measured(monkeypatch):
    def refusing(network, data, batch, precision, settings, fabric=None, ours=gpu.ours):
        if settings.get("channels_last"):
            raise RuntimeError("no such kernel")
        return ours(network, data, batch, precision, settings, fabric)

    def too_large(network, batch, precision, bare=gpu.bare):
        if precision == "bf16":
            raise RuntimeError("out of memory")
        return bare(network, batch, precision)

    monkeypatch.setattr(gpu, "ours", refusing)
    monkeypatch.setattr(gpu, "bare", too_large)
    monkeypatch.setattr(gpu, "VARIANTS", [way for way in gpu.VARIANTS if way[0] != "fp16"])
    result = gpu.of_net(*gpu_nets.SMALL[3], steps=3)
    assert result["bf16 channels-last"] == {"failed": "RuntimeError: no such kernel"}
    assert result["predictions"]["images_per_second"] > 0
    assert any("no such kernel" in row for row in gpu.rows(result))
    assert result["bare bf16"] == {"failed": "RuntimeError: out of memory"}
    assert "share_of_bare" in result["float32"]
    assert "share_of_bare" not in result["bf16"]  # and it was measured


@pytest.mark.heavy
def test_a_training_killed_and_resumed_ends_with_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), str(ROOT)]))
    resumed = gpu.gpu_checks.killed_and_resumed(tmp_path, small=True)
    assert resumed["same_weights"]
    assert not resumed["finished_before"]
    assert resumed["killed_at_step"] >= gpu.gpu_checks.KILL_AFTER


def test_without_a_gpu_only_the_small_sizes_run(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 2
    assert "--small" in capsys.readouterr().out


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_all_nets_and_ways_on_the_gpu(tmp_path):
    assert gpu.main(["--steps", "10", "--out", str(tmp_path / "gpu.json")]) == 0
    results = json.loads((tmp_path / "gpu.json").read_text())
    assert results["resumed"]["same_weights"]
    nets = results["nets"]
    assert len(nets) == len(gpu_nets.NETS)
    for net in nets:
        bare = net["bare float32"]
        assert net["float32"]["first_loss"] == pytest.approx(bare["first_loss"], rel=1e-3)
        # cuDNN adds up in another order on every run: near 0 the losses differ, beside the first one they do not
        assert net["float32"]["loss"] == pytest.approx(bare["loss"], abs=0.02 * bare["first_loss"])
        assert net["float32"]["peak_gib"] > 0
