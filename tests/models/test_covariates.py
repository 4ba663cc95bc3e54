"""Covariates: kinds, levels and cells; a network with them against an independent formula."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from scantune.models import Network, build, load, save
from scantune.models.covariates import Covariates
from scantune.models.freezing import plan
from scantune.models.fusion import UNITS, attach
from scantune.prediction.averaging import averaged, conditioned
from scantune.records import ScantuneError

ROWS = [{"age": str(20 + 5 * i), "sex": "FM"[i % 2], "site": "1.0" if i < 8 else "2"} for i in range(15)]
KINDS = {"age": "auto", "sex": "auto", "site": "auto"}


def network(seed: int = 0) -> Network:
    backbone = build("small_cnn", modality="image", seed=seed)
    torch.manual_seed(seed)
    return Network(backbone, nn.Sequential(nn.Dropout(0.1), nn.Linear(backbone.feature_dim, 2))).eval()


def test_kinds_and_levels_follow_from_the_training_set() -> None:
    known = Covariates.fit(ROWS, KINDS)
    assert [(c.kind, c.levels) for c in known.columns] == [
        ("number", ()),
        ("category", ("F", "M")),
        ("category", ("1", "2")),
    ]
    assert Covariates.read(known.described()) == known
    np.testing.assert_equal(known.row({"age": 93, "sex": "M", "site": 2.0}), np.float32([90, 1, 1]))
    np.testing.assert_equal(known.row({"age": "018M", "sex": "X", "site": None}), np.float32([1.5, np.nan, np.nan]))
    assert known.unknown_levels([{"sex": "X"}, {"sex": "x"}, {"sex": ""}]) == {"sex": {"X": 1, "x": 1}}


def test_numbers_outside_of_the_training_sets_range_are_told() -> None:
    known = Covariates.fit(ROWS, KINDS)
    assert known.columns[0].span == (20, 90)
    cells = [{"age": age} for age in ("19.5", "55", "90+", "95", "1050", 1050.0, "240M", "x", None, "-9")]
    assert known.unlike_as_text(cells) == [
        "age: '1050' (2), '19.5' (1), '-9' (1) outside of the training set's range, 20 to 90"
    ]
    weights = Covariates.fit([{"kg": str(w)} for w in range(50, 70)], {"kg": "number"})
    assert [texts for _, texts, _ in weights.unlike([{"kg": 60}, {"kg": 70.5}])] == [{"70.5": 1}]


@pytest.mark.parametrize(
    ("cells", "message"),
    [({"age": "old", "sex": "F", "site": 1}, "'age' is 'old'"), ({"age": 1, "site": 1}, "no column 'sex'")],
)
def test_a_cell_that_is_no_number_and_an_absent_column_are_named(cells: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Covariates.fit(ROWS, KINDS).row(cells)
    with pytest.raises(ScantuneError, match=f"sample s7: .*{message}"):
        Covariates.fit(ROWS, KINDS).rows(["s7"], [cells])


@pytest.mark.parametrize(
    ("rows", "kind", "message"),
    [
        (["a", "a", ""], "auto", "'a' alone"),
        (["", "NA"], "auto", "is empty"),
        (["1", "2", "x"], "number", "has 'x'"),
        ([f"id{i}" for i in range(60)], "auto", "60 levels"),
    ],
)
def test_columns_from_which_nothing_can_be_learned_are_refused(rows: list[str], kind: str, message: str) -> None:
    with pytest.raises(ScantuneError, match=message):
        Covariates.fit([{"c": row} for row in rows], {"c": kind})


def test_columns_are_standardised_and_an_unknown_value_is_the_mean_with_an_indicator() -> None:
    rows = [{"n": n, "c": c} for n, c in (("1", "a"), ("3", "b"), ("", "a"), ("5", ""))]
    known = Covariates.fit(rows, {"n": "number", "c": "category"})
    net = network()
    values = known.rows(["s"] * 4, rows)
    attach(net, known, values, kind="concat", dropout=0.0, seed=0)
    sd = np.sqrt(8 / 3)
    expected = [
        [-2 / sd, 0, 1 / 3, -1 / 3, 0],
        [0, 0, -2 / 3, 2 / 3, 0],
        [0, 1, 1 / 3, -1 / 3, 0],
        [2 / sd, 0, 0, 0, 1],
    ]
    np.testing.assert_allclose(net.fusion.encode(torch.from_numpy(values)), expected, atol=1e-6)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["concat", "film"])
def test_the_network_starts_as_the_image_network_and_answers_by_the_formula(kind: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    known = Covariates.fit(ROWS, KINDS)
    rows = known.rows(["s"] * 15, ROWS)
    alone, net = network(), network()
    attach(net, known, rows, kind=kind, dropout=0.0, seed=1)
    x, c = torch.rand(15, 1, 16, 16), torch.from_numpy(rows)
    torch.testing.assert_close(net(x, c), alone(x), atol=1e-6, rtol=0)
    assert net.fusion is not None
    for parameter in (*net.fusion.parameters(), *net.head.parameters()):
        nn.init.normal_(parameter)
    features, hidden = net.backbone(x), nn.functional.relu(net.fusion.hidden(net.fusion.encode(c)))
    if net.fusion.film is None:
        joined = torch.cat([features, hidden], 1)
        assert joined.shape[1] == features.shape[1] + UNITS
    else:
        scale, shift = net.fusion.film(hidden).chunk(2, 1)
        joined = (1 + scale) * features + shift
    torch.testing.assert_close(net(x, c), net.head(joined))
    save(net, tmp_path)
    torch.testing.assert_close(load(tmp_path)(x, c), net(x, c))
    with pytest.raises(ValueError, match="age, sex, site"):
        net(x)
    one = conditioned(averaged([net, copy.deepcopy(net)], 1), c[3])
    torch.testing.assert_close(one(x[:2]).softmax(1), net(x[:2], c[3].expand(2, -1)).softmax(1))
    assert net.condition is None


def test_an_indicator_without_unknown_values_in_training_has_no_weight() -> None:
    known = Covariates.fit(ROWS, KINDS)
    rows = known.rows(["s"] * 15, ROWS)
    net = network()
    attach(net, known, rows, kind="concat", dropout=0.0, seed=1)
    assert net.fusion is not None
    assert net.fusion.hidden.weight[:, [1, 4, 7]].abs().max() == 0
    assert net.fusion.hidden.weight[:, [0, 2, 3]].abs().min() > 0
    dropped = network()
    attach(dropped, known, rows, kind="concat", dropout=0.5, seed=1)
    assert dropped.fusion is not None
    assert dropped.fusion.hidden.weight[:, 4].abs().min() > 0
    dropped.train()
    torch.manual_seed(0)
    seen = dropped.fusion(torch.zeros(400, dropped.backbone.feature_dim), torch.from_numpy(rows[:1]).expand(400, -1))
    assert 140 < int((seen != seen[0]).any(1).sum()) < 260, "about half are dropped as a whole"


def test_a_level_that_this_fold_lacks_is_unknown_to_its_network() -> None:
    known = Covariates.fit(ROWS, KINDS)
    rows = known.rows(["s"] * 15, ROWS)
    net = network()
    attach(net, known, rows[rows[:, 2] == 0], kind="concat", dropout=0.2, seed=1)
    assert net.fusion is not None
    there, lacking = (net.fusion.encode(torch.tensor([[50.0, 0.0, code]])) for code in (torch.nan, 1.0))
    torch.testing.assert_close(there, lacking)


def test_covariates_train_with_the_head_when_the_backbone_is_frozen() -> None:
    net = network()
    known = Covariates.fit(ROWS, KINDS)
    attach(net, known, known.rows(["s"] * 15, ROWS), kind="concat", dropout=0.0, seed=1)
    schedule = plan(net, epochs=2, freeze_backbone=True)
    schedule.apply(net, 0)
    assert all(p.requires_grad for p in net.fusion.parameters())  # type: ignore[union-attr]
    assert {layer.block for layer in schedule.layers if layer.name.startswith("fusion")} == {"head"}


@pytest.mark.parametrize("cell", [True, np.bool_(True), "TRUE", "True", " true "])
def test_true_is_one_level_however_a_table_or_a_request_writes_it(cell: object) -> None:
    for written in (("true", "false"), ("TRUE", "FALSE"), ("True", "False")):
        covariates = Covariates.fit([{"smoker": level} for level in written], {"smoker": "auto"})
        assert covariates.row({"smoker": cell}) == covariates.row({"smoker": written[0]})
        assert covariates.row({"smoker": cell}) != covariates.row({"smoker": written[1]})
        assert covariates.unknown_levels([{"smoker": cell}]) == {}
        assert covariates.unknown_levels([{"smoker": "maybe"}]) == {"smoker": {"maybe": 1}}


def test_serial_numbers_with_more_digits_than_a_float_are_levels_of_their_own() -> None:
    serials = ["12345678901234567890", "12345678901234567891", "007"]
    covariates = Covariates.fit([{"scanner": serial} for serial in serials], {"scanner": "category"})
    assert covariates.columns[0].levels == ("12345678901234567890", "12345678901234567891", "7")
    assert [covariates.row({"scanner": cell}).item() for cell in (*serials, "7", 7, 7.0, "7.0")] == [
        0,
        1,
        2,
        2,
        2,
        2,
        2,
    ]
