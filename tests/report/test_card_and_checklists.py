from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scantune import report
from scantune.report import RunFacts, card, results
from scantune.report.checklists import checklists
from scantune.report.items import AUTHOR, answers
from scantune.tasks import directions
from scantune.tasks.base import Direction
from tests.report.conftest import HOSTILE, full


def test_claim_has_its_44_items_in_order() -> None:
    items = checklists()["CLAIM, 2024 update"]
    assert [item.number for item in items] == [str(n) for n in range(1, 45)]
    assert all(item.asks and item.section for item in items)


def test_tripod_has_its_27_items_with_their_parts() -> None:
    numbers = [item.number for item in checklists()["TRIPOD+AI"]]
    assert len(numbers) == len(set(numbers)) == 52
    assert sorted({int(n.rstrip("abcdefg")) for n in numbers}) == list(range(1, 28))
    assert {n for n in numbers if n.startswith("12")} == {f"12{letter}" for letter in "abcdefg"}


def test_every_item_is_answered_or_marked_as_the_authors(task: str) -> None:
    for items in checklists().values():
        answered = answers(items, full(task))
        assert all(answer.text for answer in answered)
        assert all(answer.filled == (answer.text != AUTHOR) for answer in answered)
        assert sum(answer.filled for answer in answered) > 20


def test_without_facts_nothing_is_claimed() -> None:
    for items in checklists().values():
        assert [a.item.number for a in answers(items, RunFacts("a", "b", {})) if a.filled] == []


def test_what_the_run_knows_is_said_in_a_reader_s_words() -> None:
    train = {"epochs": 3, "augment": {"random_flip": 0.5, "noise": None, "rotation": [-10, 10]}}
    facts = full("classification", settings={"train": train})
    claim = {a.item.number: a.text for a in answers(checklists()["CLAIM, 2024 update"], facts)}
    assert "augmentation: random flip, rotation" in claim["25"]
    assert claim["28"].startswith("AUROC, AUPRC, Accuracy")
    assert "5 × no image" in claim["35"]
    assert claim["38"].startswith("AUROC 0.")
    assert "Brier" not in claim["38"]


def test_only_authors_fill_ethics_funding_and_limitations() -> None:
    facts = full("classification")
    for title, numbers in (("CLAIM, 2024 update", {"34", "40", "44"}), ("TRIPOD+AI", {"17", "18a", "26"})):
        assert not any(a.filled for a in answers(checklists()[title], facts) if a.item.number in numbers)


def test_the_card_leaves_the_intended_use_to_the_author_and_gives_figures_with_intervals(
    tmp_path: Path, task: str
) -> None:
    text = report.model_card(full(task), tmp_path / "card.md").read_text()
    assert "- **Use**: to be completed by the author" in text
    assert (
        " to " in text.split("## Performance on the test set (95 % confidence intervals)")[1].split("## Limitations")[0]
    )
    assert "the data do not come from patients" in text
    assert "Only" in text


def test_markup_in_the_card_is_text(tmp_path: Path) -> None:
    facts = full("regression", name=f"{HOSTILE}\n# big", description="a | b [x](y) *c*")
    text = report.model_card(facts, tmp_path / "card.md").read_text()
    assert "<script" not in text
    assert "\n# big" not in text
    assert r"a \| b \[x\](y) \*c\*" in text


@pytest.mark.parametrize(
    ("on", "line"),
    [
        ("validation", "on whom the checkpoint was selected too"),
        ("answers out of fold", "were fitted on answers out of fold."),
    ],
)
def test_the_card_says_what_was_fitted_on_whom(tmp_path: Path, on: str, line: str) -> None:
    facts = full("regression")
    facts = replace(facts, model={**facts.model, "calibrated_on": on})
    assert line in report.model_card(facts, tmp_path / "card.md").read_text()


def test_covariates_are_predictors_beside_the_image() -> None:
    def answered(**model: str) -> dict[str, tuple[str, bool]]:
        facts = full("classification")
        facts = replace(
            facts, model={**facts.model, **model}, settings={**facts.settings, "input": {"shape": [64, 64]}}
        )
        return {a.item.number: (a.text, a.filled) for a in answers(checklists()["TRIPOD+AI"], facts)}

    alone, beside = answered(), answered(covariates="age (number); sex (category: F, M)")
    assert alone["9a"] == ("the image alone", True)
    assert beside["9a"] == ("the image and age (number); sex (category: F, M)", True)
    assert "age (number)" in beside["9b"][0]
    assert "missing covariates were taken as unknown" in beside["11"][0]
    assert alone["9c"][1]
    assert not beside["9c"][1]


def test_a_model_not_shown_to_be_better_than_a_baseline_is_told_by_the_paired_difference(tmp_path: Path) -> None:
    facts = full("regression")
    primary = facts.headline[0]
    entry = facts.metrics["metrics"][primary]
    beside = {
        "mean": {"value": -0.5, "lower": -0.9, "upper": -0.1, "reason": None},  # an error: the model is better
        "covariates": {"value": -0.5, "lower": -1.2, "upper": 0.2, "reason": None},
    }
    baselines = {name: {primary: {**entry, "difference": difference}} for name, difference in beside.items()}
    facts = replace(facts, metrics={**facts.metrics, "baselines": baselines})
    text = report.model_card(facts, tmp_path / "card.md").read_text()
    assert "that of a baseline: Model on covariates (model minus baseline −0.50 (−1.20 to 0.20))." in text
    notes = " ".join(results.headline(facts).notes)
    assert "Constant: mean −0.500 (−0.900 to −0.100); Model on covariates −0.50 (−1.20 to 0.20)" in notes


def test_a_baseline_without_the_metric_is_no_reason_to_doubt_the_model() -> None:
    none = {"value": None, "reason": "undefined: constant", "difference": {"value": None, "reason": None}}
    metrics = {**full("regression").metrics, "baselines": {"mean": {"pearson_r": none}}}
    settings: dict[str, dict[str, str]] = {"evaluate": {"primary": "pearson_r"}}
    assert "shown" not in " ".join(card.limits(full("regression", metrics=metrics, settings=settings)))


def _largest(reference: np.ndarray, prediction: np.ndarray) -> float:
    return float(np.abs(prediction - reference).max())


@pytest.mark.parametrize(("mode", "better"), [("min", True), ("max", False), (None, True)])
def test_the_direction_of_a_custom_metric_is_its_own(
    mode: Direction | None, better: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {"value": 9.0, "difference": {"value": -2.0, "lower": -3.0, "upper": -1.0}}
    metrics = {**full("regression").metrics, "baselines": {"mean": {"largest": entry}}}
    facts = full("regression", metrics=metrics, settings={"evaluate": {"primary": "largest"}})
    monkeypatch.setitem(directions.CUSTOM, "largest", directions.CustomMetric(_largest, mode=mode))
    assert ("largest is not shown to be better" not in " ".join(card.limits(facts))) == better


def test_small_subgroups_are_named_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    facts = full("regression")
    levels = {level: {"mae": {"value": 1.0, "small": True}} for level in ("12–<18", "2–<12", "18–<40")}
    facts = replace(facts, metrics={**facts.metrics, "subgroups": {"age": levels}})
    assert "age 2–<12, age 12–<18, age 18–<40." in " ".join(card.limits(facts))


def test_columns_without_subgroups_are_named_with_the_reason(tmp_path: Path) -> None:
    facts = full("regression")
    reasons = {"device": "57 levels, more than 30", "ward": "every sample has the level A"}
    facts = replace(facts, metrics={**facts.metrics, "subgroups": {}, "subgroups_left_out": reasons})
    named = "device: 57 levels, more than 30; ward: every sample has the level A"
    assert f"no column has suitable levels ({named})." in " ".join(card.limits(facts))
    page = report.build(facts, tmp_path / "report.html").read_text()
    assert "No subgroups by device (57 levels, more than 30); ward (every sample has the level A)." in page
