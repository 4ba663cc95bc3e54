"""Terms of a training's loss."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from scantune import losses, models
from scantune.losses import terms
from scantune.models import checkpointing


def test_mixed_targets_are_mixed_in_numerator_and_denominator():
    (loss,) = losses.build({"name": "weighted_cross_entropy", "class_weights": [1, 0.5]}).components.values()
    output = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    a, b = torch.tensor([0, 1]), torch.tensor([1, 1])
    batch = {"input": output, "target": a, "target_b": b, "lam": 0.3}
    term = losses.OnTarget(loss)
    assert float(term.total(nn.Identity(), batch, output)) == pytest.approx(
        float(0.3 * loss.total(output, a) + 0.7 * loss.total(output, b))
    )
    assert float(term.weight(batch)) == pytest.approx(0.3 * 1.5 + 0.7 * 1.0)


def test_the_components_of_a_combined_loss_become_terms_by_name():
    assert list(losses.on_target(losses.build("default", targets=("binary", "masks")))) == ["dice", "bce"]


def test_scanner_consistency_is_the_variance_of_the_scanners_means():
    output = torch.tensor([[0.0], [4.0], [5.0], [7.0], [100.0]])
    batch = {"input": output, "group": torch.tensor([0, 0, 1, 1, -1])}  # means 2 and 6; the last is unknown
    term = losses.ScannerConsistency()
    assert float(term.weight(batch)) == 4
    assert float(term.total(nn.Identity(), batch, output) / term.weight(batch)) == pytest.approx(4.0)


def test_scanner_consistency_does_not_punish_the_spread_within_a_scanner():
    output = torch.tensor([[0.0], [30.0], [10.0], [20.0]], requires_grad=True)
    batch = {"input": output, "group": torch.tensor([0, 0, 1, 1])}  # both means are 15
    value = losses.ScannerConsistency().total(nn.Identity(), batch, output)
    value.backward()
    assert value.item() == 0.0
    assert torch.all(output.grad == 0)


def test_scanner_consistency_of_logits_compares_what_they_say():
    group = torch.tensor([0, 0, 1, 1])
    shifted = torch.tensor([[2.0, 0.0], [0.0, 2.0], [9.0, 7.0], [7.0, 9.0]])  # a shift of all logits says nothing
    term = losses.ScannerConsistency(losses.probabilities)
    assert term.total(nn.Identity(), {"group": group}, shifted) == pytest.approx(0, abs=1e-6)
    logit = torch.tensor([0.0, 0.0, 20.0, 20.0])
    assert term.total(nn.Identity(), {"group": group}, logit[:, None]) / 4 == pytest.approx(0.25**2, abs=1e-4)
    masks = logit.view(4, 1, 1, 1).expand(4, 1, 2, 2)  # half the picture at one scanner, all of it at the other
    assert term.total(nn.Identity(), {"group": group}, masks) / 4 == pytest.approx(0.25**2, abs=1e-4)


def test_scanner_consistency_of_a_whole_side_does_not_depend_on_its_batches():
    output = torch.tensor([[0.0], [4.0], [5.0], [7.0], [100.0]])
    group = torch.tensor([0, 0, 1, 1, -1])
    term = losses.ScannerConsistency()
    rows = [term.rows({"group": group[i : i + 2]}, output[i : i + 2]) for i in (0, 2, 4)]
    total, weight = term.of_all(torch.cat(rows))
    assert (float(total / weight), float(weight)) == (4.0, 4.0)
    assert [float(part) for part in term.of_all(rows[0])] == [0.0, 0.0]  # but one scanner


@pytest.mark.parametrize("group", [[0, 0, 0], [-1, -1, -1], [-1, 2, 2]])
def test_scanner_consistency_has_no_part_without_two_scanners(group):
    output = torch.tensor([[0.0], [1.0], [2.0]], requires_grad=True)
    batch = {"input": output, "group": torch.tensor(group)}
    term = losses.ScannerConsistency()
    assert float(term.weight(batch)) == 0
    assert term.total(nn.Identity(), batch, output).item() == 0


def test_a_partner_must_score_lower_by_the_margin():
    batch = {
        "input": torch.tensor([[3.0], [1.0], [5.0]]),
        "partner": torch.tensor([[1.0], [2.0], [9.0]]),
        "has_partner": torch.tensor([True, True, False]),
    }
    term = losses.PairTerm(margin=1.0)
    assert float(term.weight(batch)) == 2
    # 3 − 1 is more than the margin: 0; 1 − 2: 1 − (−1) = 2
    assert float(term.total(nn.Identity(), batch, batch["input"])) == pytest.approx(2.0)


def test_a_degraded_copy_leaves_the_running_statistics_of_batch_norms():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.LazyLinear(1)).train()
    whole = torch.randn(4, 1, 5, 5)
    batch = {"input": whole, "partner": 9 + 7 * whole, "has_partner": torch.tensor([True] * 4)}
    with torch.no_grad():
        output = network(whole)
        before = {name: value.clone() for name, value in network.named_buffers()}
        total = losses.PairTerm().total(network, batch, output)
        assert all(torch.equal(value, before[name]) for name, value in network.named_buffers())
        plain = network(batch["partner"])
    expected = functional.relu(1 - (output - plain)).sum()
    assert float(total) == pytest.approx(float(expected), rel=1e-5), "normalised by its batch, as ever"
    assert not torch.equal(network[1].running_mean, before["1.running_mean"])


def test_a_degraded_copy_goes_through_checkpointed_blocks():
    """Their second pass must save the tensors of the first, running statistics among them."""
    backbone = models.build("resnet18", modality="image", seed=1)
    network = models.Network(backbone, nn.Linear(backbone.feature_dim, 1)).train()
    assert checkpointing.enable(backbone)
    whole = torch.randn(4, 1, 32, 32)
    batch = {"input": whole, "partner": 9 + 7 * whole, "has_partner": torch.tensor([True] * 4)}
    output = network(whole)
    before = {name: value.clone() for name, value in network.named_buffers()}
    losses.PairTerm(margin=100.0).total(network, batch, output).backward()
    assert all(value.grad is not None for value in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.named_buffers())


def test_without_partners_the_pair_term_has_no_part():
    batch = {"input": torch.zeros(2, 1), "partner": torch.zeros(2, 1), "has_partner": torch.tensor([False, False])}
    term = losses.PairTerm()
    assert float(term.weight(batch)) == float(term.total(nn.Identity(), batch, batch["input"])) == 0
    assert float(term.weight({"input": torch.zeros(2, 1)})) == 0


def test_the_score_of_logits_is_the_log_odds_of_the_last_class():
    logits = torch.tensor([[0.2, 1.0, 0.5]])
    p = logits.softmax(1)[0, -1]
    assert float(terms.score(logits)) == pytest.approx(float((p / (1 - p)).log()), rel=1e-5)


def test_distillation_is_the_divergence_from_the_softened_teacher():
    student, teacher = torch.tensor([[1.0, 0.0, -1.0]]), torch.tensor([[0.0, 2.0, 1.0]])
    term = losses.Distillation(_Constant(teacher), temperature=3.0)
    batch = {"input": torch.zeros(1, 2)}
    expected = 9 * functional.kl_div((student / 3).log_softmax(1), (teacher / 3).softmax(1), reduction="batchmean")
    value = term.total(nn.Identity(), batch, student) / term.weight(batch)
    assert float(value) == pytest.approx(float(expected), rel=1e-5)


def test_distillation_of_the_teacher_itself_costs_nothing_whatever_the_shape():
    generator = torch.Generator().manual_seed(0)
    for shape in [(2, 1), (2, 3), (2, 6, 5), (2, 2, 4, 4), (2, 1, 4, 4)]:
        output = torch.randn(shape, generator=generator)
        term = losses.Distillation(_Constant(output))
        assert float(term.total(nn.Identity(), {"input": output}, output)) == pytest.approx(0.0, abs=1e-6)


def test_distillation_of_numbers_is_the_squared_difference_and_leaves_the_teacher_alone():
    teacher = nn.Linear(3, 1)
    inputs = torch.ones(4, 3)
    output = torch.zeros(4, 1, requires_grad=True)
    term = losses.Distillation(teacher.train(), values=True)
    (term.total(nn.Identity(), {"input": inputs}, output) / term.weight({"input": inputs})).backward()
    assert torch.allclose(output.grad, 2 * (output - teacher(inputs)).detach() / 4)
    assert not teacher.training
    assert teacher.weight.grad is None


class _Constant(nn.Module):
    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, x):
        return self.output


def test_a_loss_that_compares_samples_is_taken_over_a_whole_side_on_validation():
    from scantune.losses import registry

    before = dict(registry._TABLE)
    try:

        @losses.register("pairs", compares=True)
        def pairs(output, target):
            order = output.reshape(-1)[target.reshape(len(target), -1)[:, 0].argsort()]
            return functional.softplus(order[:-1, None] - order[None, 1:]).triu().sum(1)

        (term,) = losses.on_target(losses.build("pairs")).values()
    finally:
        registry._TABLE.clear()
        registry._TABLE.update(before)
    output = torch.tensor([[0.3], [1.0], [-2.0], [0.5], [0.1]])
    target = torch.tensor([[1.0, 1], [4, 0], [2, 1], [3, 1], [5, 0]])
    whole = {"input": output, "target": target}
    for cut in (1, 2, 4):
        parts = [({"target": target[i : i + cut]}, output[i : i + cut]) for i in range(0, 5, cut)]
        total, weight = term.of_all(torch.cat([term.rows(*part) for part in parts]))
        assert total / weight == pytest.approx(float(term.total(nn.Identity(), whole, output) / term.weight(whole)))


def test_coarser_outputs_count_half_of_the_one_before_each():
    loss = losses.build("cross_entropy", targets=("classes", "masks")).components["cross_entropy"]
    mask = torch.randint(0, 3, (2, 8, 8))
    fine, coarse = torch.randn(2, 3, 8, 8, requires_grad=True), torch.randn(2, 3, 4, 4, requires_grad=True)
    total = terms.OnTarget(loss).total(torch.nn.Identity(), {"target": mask, "coarser": (coarse,)}, fine)
    torch.testing.assert_close(total, (2 * loss.total(fine, mask) + loss.total(coarse, mask[:, 1::2, 1::2])) / 3)
    total.backward()
    assert coarse.grad.isfinite().all()
