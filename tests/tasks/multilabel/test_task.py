"""The task as the engine sees it: loss of what is known, head, epoch metrics, thresholds, maps."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from scantune import losses
from scantune.records import ScantuneError
from scantune.tasks.build import build_task
from scantune.tasks.multilabel import calibration, saliency, words
from scantune.tasks.multilabel.settings import Multilabel

FINDINGS = ("Edema", "Mass", "Mass_old")
SETTINGS = Multilabel(findings=FINDINGS)


def task():
    return build_task(SETTINGS)


def batch(seed=0):
    draw = torch.Generator().manual_seed(seed)
    output = torch.randn(5, 3, 1, generator=draw, requires_grad=True)
    target = torch.randint(-1, 2, (5, 3), generator=draw).float()
    return output, target


def test_the_loss_is_the_mean_over_known_findings():
    task()
    output, target = batch()
    loss = losses.build("masked_bce", targets="findings")(output, target)
    known = target >= 0
    expected = functional.binary_cross_entropy_with_logits(output[..., 0][known], target[known])
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    loss.backward()
    assert output.grad is not None
    assert torch.isfinite(output.grad).all()
    assert (output.grad[..., 0][~known] == 0).all()


def test_what_is_unknown_changes_nothing():
    output, target = batch()
    other = output.detach() + 7 * (target < 0).float()[..., None]
    for name in ("masked_bce", "focal"):
        loss = losses.build(name, targets="findings")
        assert loss(output, target).item() == pytest.approx(loss(other, target).item(), rel=1e-6)


def test_positives_can_count_more_one_by_one():
    output, target = batch()
    loss = losses.build({"name": "masked_bce", "pos_weight": [1.0, 3.0, 1.0]}, targets="findings")(output, target)
    known = target >= 0
    each = functional.binary_cross_entropy_with_logits(
        output[..., 0], target.clamp_min(0), pos_weight=torch.tensor([1.0, 3.0, 1.0]), reduction="none"
    )
    assert loss.item() == pytest.approx((each * known).sum().item() / known.sum().item(), rel=1e-6)
    with pytest.raises(ScantuneError, match="2 values of pos_weight for 3 findings"):
        losses.build({"name": "masked_bce", "pos_weight": [1.0, 2.0]}, targets="findings")(output, target)


def test_focal_without_gamma_is_cross_entropy():
    output, target = batch()
    focal = losses.build({"name": "masked_focal", "gamma": 0.0}, targets="findings")
    assert focal(output, target).item() == pytest.approx(
        losses.build("masked_bce", targets="findings")(output, target).item(), rel=1e-6
    )
    with pytest.raises(ScantuneError, match="is for classes, not for findings; these fit: masked_bce"):
        losses.build("cross_entropy", targets="findings")


def test_the_head_starts_from_the_prevalence():
    targets = np.array([[1, 0, -1]] * 7 + [[0, 0, -1]] * 2, np.float32)
    head = task().head(4, targets)
    answered = head(torch.zeros(2, 4)).detach().sigmoid()[0, :, 0].numpy()
    assert answered == pytest.approx([8 / 11, 1 / 11, 1 / 2], abs=1e-6)


def test_strata_are_the_rarest_finding_of_a_sample():
    encoded = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, -1, 0]], np.float32)
    assert task().strata(encoded).tolist() == [2, 1, 0, 1]


def test_epoch_metrics_are_means_over_findings_with_both_states():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    targets = rng.integers(-1, 2, (60, 3)).astype(np.float32)
    targets[:, 2] = 0
    logits = rng.normal(size=(60, 3, 1)).astype(np.float32)
    result = task().summarise(logits, targets)
    areas = [roc_auc_score(targets[k, f], logits[k, f, 0]) for f in (0, 1) for k in [targets[:, f] >= 0]]
    assert result["auroc"] == pytest.approx(np.mean(areas))
    assert np.isnan(task().summarise(logits, np.zeros((60, 3)))["auroc"])


def test_what_was_fitted_on_validation_is_in_the_columns():
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 2, (200, 3)).astype(np.float32)
    targets[:, 2] = -1
    logits = (3 * (targets[..., None] - 0.8) + rng.normal(size=(200, 3, 1)) * 4).astype(np.float32)
    fitted = task().fit(logits, targets, [str(i) for i in range(200)])
    assert fitted["calibration"]["findings"]["Edema"]["temperature"] > 1.1
    assert "Mass_old" not in fitted["calibration"]["findings"]
    assert fitted["thresholds"]["Mass_old"] == 0.5
    columns = task().columns(logits, targets, fitted)
    assert columns["target/Mass_old"] == [""] * 200
    called = [set(names.split("|")) for names in columns["set"]]
    assert [("Edema" in names) for names in called] == (columns["p/Edema"] >= fitted["thresholds"]["Edema"]).tolist()
    assert "set" not in task().columns(logits, None, {})


def test_each_finding_has_a_map_and_the_most_probable_one_stands_for_the_sample():
    output = torch.tensor([[0.1], [2.0], [-1.0]])
    questions = saliency.questions(output)
    assert [float(question.target(output)) for question in questions] == pytest.approx([0.1, 2.0, -1.0])
    answer, _ = words.answer(task(), {"p/Edema": 0.2, "p/Mass": 0.7, "p/Mass_old": 0.9, "set": "Mass|Mass_old"})
    assert answer == "Mass_old (0.90), Mass (0.70)"
    assert saliency.main_question(task(), answer, 3) == 2
    none, _ = words.answer(task(), {"p/Edema": 0.2, "p/Mass": 0.3, "p/Mass_old": 0.1, "set": ""})
    assert none == "none (Mass 0.30)"
    assert saliency.main_question(task(), none, 3) == 1
    assert saliency.subject(task(), (2,)) == "Mass old"


def test_masks_are_evidence_of_findings_that_are_present():
    targets = {"Edema": "1", "Mass": "0", "Mass_old": ""}
    output = torch.zeros(3, 1)
    assert [label for _, label in saliency.mask_questions(task(), output, None, targets)] == [1]
    assert [label for _, label in saliency.mask_questions(task(), output, "Edema", targets)] == [None]
    assert not list(saliency.mask_questions(task(), output, "Mass", targets))
    with pytest.raises(ScantuneError, match="not one of the findings"):
        list(saliency.mask_questions(task(), output, "Oedema", targets))


def test_the_sample_that_a_threshold_was_chosen_by_is_called_the_same_in_another_batch():
    p = np.array([[0.9], [0.6], [0.4], [0.2]])
    target = np.array([[1.0], [1.0], [0.0], [0.0]])
    for criterion in ("f1", "youden"):
        limits = calibration.thresholds(p, target, ["Mass"], criterion)
        for digits in (-1e-7, 0, 1e-7):
            assert calibration.called(p + digits, limits, ["Mass"]).ravel().tolist() == [True, True, False, False]
    near = np.array([[1e-8], [0.9e-8], [2e-9]])
    limits = calibration.thresholds(near, np.array([[1.0], [0.0], [0.0]]), ["Mass"], "f1")
    assert calibration.called(near, limits, ["Mass"]).ravel().tolist() == [True, False, False]
