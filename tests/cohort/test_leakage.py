import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from scantune import cohort
from scantune.cohort.faults import CohortError
from scantune.cohort.leakage import LeakageError, audit
from scantune.cohort.near import near_pairs
from scantune.cohort.splits_table import Assignment
from scantune.config.dataset import SplitConfig

HEADER = "sample_id,subject_id,digest,tensor_digest,perceptual_hash,shape,target/score,split,order,site\n"


def cache(tmp_path: Path, rows: list[dict], tensors: list[np.ndarray] | None = None) -> Path:
    (tmp_path / "samples").mkdir(exist_ok=True)
    lines = []
    for i, row in enumerate(rows):
        values = {"id": f"x{i}", "subject": f"s{i}", "digest": f"d{i}", "tensor": f"t{i}",
                  "hash": f"{i * 0x1111111111:016x}", "score": str(i), "site": "A"} | row  # fmt: skip
        lines.append("{id},{subject},{digest},{tensor},{hash},1x8x8,{score},,,{site}\n".format(**values))
        if tensors is not None:
            save_file({"input": tensors[i]}, tmp_path / "samples" / f"{values['id']}.safetensors")
    (tmp_path / "manifest.csv").write_text(HEADER + "".join(lines))
    return tmp_path


def place(*sides: str, subjects: list[str] | None = None) -> list[Assignment]:
    return [Assignment(f"x{i}", (subjects or [f"s{j}" for j in range(99)])[i], side) for i, side in enumerate(sides)]


FAR = SplitConfig(near_duplicate_bits=0)


@pytest.mark.parametrize("column", ["digest", "tensor"])
def test_the_same_image_on_two_sides_fails_with_the_pair_named(tmp_path, column):
    folder = cache(tmp_path, [{column: "same"}, {}, {column: "same"}])
    with pytest.raises(LeakageError, match=r"x0 \(train\) and x2 \(test\): the same"):
        audit(folder, place("train", "validation", "test"), FAR)


def test_the_same_image_twice_on_one_side_is_warned_of(tmp_path):
    folder = cache(tmp_path, [{"digest": "same"}, {"digest": "same"}, {}])
    report = audit(folder, place("train", "train", "test"), FAR)
    assert report.repeated == (("x0", "x1"),)
    assert any("twice in one partition" in warning for warning in report.warnings)


def test_a_subject_on_two_sides_fails(tmp_path):
    with pytest.raises(LeakageError, match="subject 's0' is in"):
        audit(cache(tmp_path, [{}, {}]), place("train", "test", subjects=["s0", "s0"]), FAR)


def test_folds_are_sides_too(tmp_path):
    folder = cache(tmp_path, [{"digest": "same"}, {"digest": "same"}])
    with pytest.raises(LeakageError, match="fold 0"):
        audit(folder, [Assignment("x0", "s0", "train", 0), Assignment("x1", "s1", "train", 1)], FAR)


def test_near_duplicates_are_judged_by_correlation_not_by_hash(tmp_path):
    rng = np.random.default_rng(0)
    base = rng.random((1, 8, 8)).astype(np.float32)
    noisy = base + 0.01 * rng.random((1, 8, 8)).astype(np.float32)
    other = rng.random((1, 8, 8)).astype(np.float32)
    folder = cache(tmp_path, [{"hash": "ff"}, {"hash": "fe"}, {"hash": "ff"}], [base, noisy, other])
    report = audit(folder, place("train", "test", "validation"), SplitConfig())
    assert [(p.one, p.other) for p in report.near_duplicates] == [("x0", "x1")]
    assert report.near_duplicates[0].correlation > 0.99
    assert report.near_duplicates_total == report.counts()["near_duplicates"] == 1
    assert any(" similar (correlation" in warning for warning in report.warnings)
    assert not audit(folder, place("train", "test", "validation"), FAR).near_duplicates


def test_a_pair_just_below_the_threshold_is_none_though_its_thumbnails_are_alike():
    rng = np.random.default_rng(0)
    smooth = np.kron(rng.random((1, 16, 16)), np.ones((1, 4, 4))).astype(np.float32)
    fine = smooth + 0.12 * rng.standard_normal((1, 64, 64)).astype(np.float32)  # a thumbnail averages it away
    value = float(np.corrcoef(smooth.ravel(), fine.ravel())[0, 1])
    for threshold, result in ((value + 0.002, 0), (value - 0.002, 1)):
        args = (["0" * 16] * 2, ["a", "b"], [smooth, fine].__getitem__)
        assert len(near_pairs(*args, bits=4, correlation=threshold)) == result


def test_near_pairs_of_volumes_of_unlike_shape_are_none():
    tensors = [np.random.default_rng(0).random(shape).astype(np.float32) for shape in [(1, 9, 9, 9), (1, 9, 9, 8)]]
    assert near_pairs(["0" * 16] * 2, ["a", "b"], tensors.__getitem__, bits=4, correlation=0.5) == []


def test_small_sides_and_unknown_subjects_are_warned_of(tmp_path):
    report = audit(cache(tmp_path, [{}, {}, {}]), place("train", "validation", "test"), FAR, subjects_known=False)
    assert any(w.startswith("test has 1 subject:") and "takes 97" in w for w in report.warnings)
    assert any(w.startswith("no subject identifiers") for w in report.warnings)


def test_balance_and_left_out_are_reported_and_written(tmp_path):
    folder = cache(tmp_path, [{"site": "A"}, {"site": "B"}, {"site": "B"}])
    report = audit(folder, place("train", "train", "test", "test"), FAR)
    assert report.sides["train"]["groups"]["site"] == {"A": 1, "B": 1}
    assert report.left_out == 1
    report.write(tmp_path / "audit.json")
    assert json.loads((tmp_path / "audit.json").read_text())["sides"]["test"]["samples"] == 1


def test_a_side_that_lost_all_its_samples_is_refused(tmp_path):
    with pytest.raises(CohortError, match="no sample of test remains"):
        audit(cache(tmp_path, [{}]), place("train", "test"), FAR)


def test_names_are_exported_from_the_package():
    assert cohort.audit is audit
    assert cohort.LeakageError is LeakageError


def test_in_a_data_set_that_looks_all_alike_only_what_is_twice_is_a_pair():
    """Eyes, and brains in one space: any two correlate, for they are like their mean."""
    rng = np.random.default_rng(0)
    common = np.kron(rng.random((1, 8, 8)), np.ones((1, 4, 4)))
    own = [np.kron(rng.random((1, 8, 8)), np.ones((1, 4, 4))) for _ in range(20)]
    tensors = [(common + 0.1 * one).astype(np.float32) for one in own]
    tensors.append((1.1 * tensors[3] + 0.005 * rng.standard_normal((1, 32, 32))).astype(np.float32))  # saved again
    parts = ["train"] * 10 + ["test"] * 11
    pairs = near_pairs(["0" * 16] * 21, parts, tensors.__getitem__, bits=4, correlation=0.98)
    assert [(pair.one, pair.other) for pair in pairs] == [(3, 20)]
    few = near_pairs(["0" * 16] * 4, ["a", "b"] * 2, tensors.__getitem__, bits=4, correlation=0.98)
    assert len(few) == 4, "of four there is no telling what is common"


@pytest.mark.parametrize(("tensor", "score", "told"), [("t", "5", True), ("t", "0.0", False), ("u", "5", False)])
def test_copies_of_one_image_with_other_targets_are_told(tmp_path, tensor, score, told):
    one, other = {"digest": "d", "tensor": "t", "score": "0"}, {"digest": "d", "tensor": tensor, "score": score}
    report = audit(cache(tmp_path, [one, other, {}]), place("train", "train", "test"), FAR)
    assert (
        any("1 pair of one image differs in its targets, first x0 and x1 in score" in w for w in report.warnings)
        is told
    )
