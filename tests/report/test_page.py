from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from scantune import report
from scantune.report import Mistake, RunFacts, card, cohort, sentences, training
from scantune.report.figures import titled
from scantune.report.page import html
from tests.report.conftest import HOSTILE, full

_ALLOWED = ("data:image/", "#")


class Page(HTMLParser):
    """What the browser would make of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text.replace("<wbr>", ""))  # a place for a line break, not a word

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in {"meta", "img"}:
            self.open.append(tag)
        for name, value in attrs:
            if name in {"src", "href", "action", "srcset", "data", "poster", "background"}:
                self.addresses.append(value or "")
            if name.startswith("on") or name == "style":
                self.handlers.append(name)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_correlations_have_their_p_values_and_kappas_their_standard_errors() -> None:
    assert "P values for no correlation" in html(full("regression"))
    metrics = dict(full("zones").metrics)
    entry = {"value": 0.61, "lower": 0.5, "upper": 0.7, "n": 40, "n_subjects": 30, "ase": 0.0523}
    metrics["metrics"] = metrics["metrics"] | {"kappa_quadratic/left_sup": entry}
    assert "0.500 to 0.700; ASE 0.052" in Page(html(full("zones", metrics=metrics))).text


def test_sets_that_hold_the_truth_too_seldom_are_warned_of() -> None:
    metrics = dict(full("classification").metrics)
    short = {"value": 0.6, "lower": 0.5, "upper": 0.7, "n": 40, "n_subjects": 30}
    for coverage, lowest, warned in (
        (short, None, True),
        (short | {"upper": 0.91}, None, False),
        (short, 0.78, True),
        (short | {"upper": 0.85}, 0.78, False),  # a dozen subjects that it was fitted on explain 0.85 too
    ):
        metrics["metrics"] = metrics["metrics"] | {"conformal_coverage": coverage}
        metrics["conformal"] = metrics["conformal"] | {"coverage_lower": lowest, "coverage_upper": 0.99}
        assert ("Coverage is below nominal" in html(full("classification", metrics=metrics))) is warned


def test_too_few_validation_subjects_for_an_interval_are_one_sentence_and_no_table_without_figures() -> None:
    facts = full("regression")
    none = {"quantile": None, "n_subjects": 8, "coverage_lower": 1.0, "coverage_upper": 1.0}
    metrics = {**facts.metrics, "conformal": facts.metrics["conformal"] | none, "stated_intervals": None}
    text = html(replace(facts, metrics=metrics))
    assert "No conformal intervals: too few subjects of validation (8) for a coverage of 90 %." in text
    assert "Conformal intervals, nominal coverage" not in text
    assert "By chance of these subjects" not in text
    sets = full("classification").metrics
    text = html(full("classification", metrics={**sets, "conformal": sets["conformal"] | none}))
    assert "No conformal sets: too few subjects of validation (8) for a coverage of 90 %." in text


def test_joined_samples_are_told_at_both_levels() -> None:
    facts = full("classification")
    figures = facts.metrics["metrics"]
    levels = {"levels": {"sample": figures, "study": figures}, "aggregate": {"rule": "mean", "by": "study"}}
    page = html(full("classification", metrics={**facts.metrics, **levels}))
    assert "The predictions for each study were aggregated by mean" in page
    assert page.index("Metrics by level of aggregation") < page.index("Primary metric")
    assert "Metrics by level of aggregation" not in html(facts)


def test_a_model_of_a_demo_cohort_says_so_on_other_data_too() -> None:
    from scantune.report.facts import SYNTHETIC
    from scantune.report.page import banners

    facts = full("regression", demo=False, synthetic=False, model={"trained_on": SYNTHETIC})
    assert any("trained on a synthetic cohort" in line for line in banners(facts))
    assert any("synthetic cohort" in line for line in card.limits(facts))
    real = full("regression", cohort="films of one hospital", demo=False, synthetic=False)
    assert not any("synthetic" in line for line in banners(real))


def test_synthetic_data_of_a_user_are_called_so_and_a_description_alone_is_none() -> None:
    from scantune.report.page import banners

    drawn = full("regression", cohort="liver CT by a diffusion model", demo=False)
    assert banners(drawn)[0] == ("Synthetic cohort: liver CT by a diffusion model. The data do not come from patients.")
    assert card.limits(drawn)[0] == "Trained and tested on a synthetic cohort: the data do not come from patients."
    real = full("regression", cohort="films of one hospital", demo=False, synthetic=False)
    assert not any("cohort" in line for line in banners(real))
    assert "films of one hospital" in html(real)


def test_a_page_of_minimal_facts_has_its_name_and_says_what_it_lacks() -> None:
    page = Page(html(RunFacts("alone", "nowhere", {})))
    assert "alone" in page.text
    assert "to be completed by the author" in page.text
    assert page.open == []


def test_full_facts_of_each_task_make_a_page_of_all_sections(task: str) -> None:
    page = Page(html(full(task)))
    for title in ("Results", "Participants", "Figures", "Errors", "Saliency maps", "Model card", "Settings"):
        assert title in page.text
    assert "s004" in page.text
    assert page.tags.count("img") == 5


def test_a_target_that_lists_findings_is_counted_by_finding() -> None:
    cells = {"train": {"Effusion|Mass": 2, "No Finding": 5, "Effusion": 1}, "test": {"Mass|Effusion": 1, "Edema": 3}}
    audit = {"sides": {side: {"samples": 8, "subjects": 8, "targets": {"labels": n}} for side, n in cells.items()}}
    (table,) = cohort.parts(RunFacts("x", "films", {}, task={"name": "multilabel", "separator": "|"}, audit=audit))
    rows = [[cell.text for cell in row] for row in table.rows]
    assert rows[2:] == [
        ["labels (target)"],
        ["No Finding", "5 (62 %)", "0 (0 %)"],
        ["Effusion", "3 (38 %)", "1 (25 %)"],
        ["Mass", "2 (25 %)", "1 (25 %)"],
        ["Edema", "0 (0 %)", "3 (75 %)"],
    ]


def test_nothing_is_fetched_and_nothing_runs(task: str) -> None:
    page = Page(html(full(task)))
    assert page.addresses
    assert all(address.startswith(_ALLOWED) for address in page.addresses)
    assert not {"script", "iframe", "object", "embed", "link", "form", "base"} & set(page.tags)
    assert page.handlers == []


def test_the_style_sheet_names_no_address() -> None:
    style = re.search(r"<style>(.*?)</style>", html(RunFacts("a", "b", {})), re.S)
    assert style is not None
    assert not re.search(r"url\(|@import|https?:|//", style[1])


def test_markup_in_what_a_user_gives_is_shown_as_text() -> None:
    group = {"metrics": {HOSTILE: {"value": 1.0, "n": 3}}, "subgroups": {HOSTILE: {HOSTILE: {"mae": {"value": 1.0}}}}}
    facts = full(
        "regression",
        name=HOSTILE,
        dataset=HOSTILE,
        description=HOSTILE,
        cohort=HOSTILE,
        metrics={**group, "headline": [HOSTILE], "saliency": {"reason": HOSTILE}},
        settings={"dataset": {HOSTILE: HOSTILE}},
        audit={"sides": {HOSTILE: {"samples": 1, "subjects": 1, "targets": {HOSTILE: {HOSTILE: 1}}}}},
        mistakes=[Mistake(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)],
        environment={HOSTILE: HOSTILE},
    )
    text = html(facts)
    page = Page(text)
    assert "script" not in page.tags
    assert "<script" not in text
    assert page.text.count(HOSTILE) > 15


def test_an_undefined_figure_stands_with_its_reason_and_never_as_a_number() -> None:
    entry = {"value": None, "lower": None, "upper": None, "n": 4, "reason": "undefined: the predictions are constant"}
    page = Page(html(RunFacts("a", "b", {"metrics": {"pearson_r": entry}, "headline": ["pearson_r"]})))
    assert "undefined [a]" in page.text
    assert "[a] The predictions are constant." in page.text
    assert "undefined: undefined" not in page.text
    assert "nan" not in page.text.lower().split()


def test_a_value_without_interval_says_why() -> None:
    entry = {"value": 1.0, "lower": None, "upper": None, "n": 4, "reason": "no interval: every draw gives the same"}
    page = Page(html(RunFacts("a", "b", {"metrics": {"auroc": entry}, "headline": ["auroc"]})))
    assert "1.000 no interval [a]" in page.text
    assert "[a] No interval: every draw gives the same." in page.text


def test_reasons_stand_below_every_table_and_cells_are_short() -> None:
    """A cell with a sentence in it makes a table wider than the page, and a tooltip is not printed."""
    long = "no interval: " + "deviations are above 0 by chance alone; " * 5
    entry = {"value": 0.05, "lower": None, "upper": None, "n": 4, "reason": long}
    chance = entry | {"consistency_lower": 0.021, "consistency_upper": 0.06}
    metrics = {
        "metrics": {"ece": chance, "ece/one": entry, "brier": entry},
        "baselines": {"mean": {"ece": chance}},
        "headline": ["ece"],
        "external": {"ece": {"away": entry, "home": entry, "difference": entry}},
        "levels": {"sample_id": {"ece": entry}, "subject_id": {"ece": entry}},
        "aggregate": {"by": "subject_id", "rule": "mean"},
        "calibration": {"as_given": {"ece": chance}},
        "raters": {"pairs": {"a, b": {"ece": entry}}},
    }
    text = html(RunFacts("a", "b", metrics))
    assert max(len(cell) for cell in re.findall(r"<small>(.*?)</small>", text)) < 35
    tables = [
        table for table in re.findall(r'<figure class="table">.*?</figure>', text, re.S) if "0.0500<small>" in table
    ]
    assert len(tables) >= 6
    assert all(table.count("[a] No interval: deviations are above 0") == 1 for table in tables)
    assert "by chance 0.0210 to 0.0600 [a]" in text


def test_long_names_of_groups_are_broken_and_numbers_beside_them_are_not() -> None:
    """Cells that stay on one line hide what is right of them, and a printed page ends before the last columns."""
    level = "Universitätsklinikum Hamburg-Eppendorf, Klinik für Radiologie"
    entry = {"value": 0.1, "lower": -0.2, "upper": 0.4, "n": 40, "levels": [level, "B"], "p_holm": 0.2}
    names = ("positive_rate", "recall", "false_positive_rate", "auroc", "calibration_difference", "equalized_odds")
    section = {"differences": dict.fromkeys(names, entry), "levels": {}}
    page = html(RunFacts("a", "b", {"fairness": {"site": {"by_class": {"one": section, "two": section}}}}))
    cells = re.findall(r'<small class="parts">(.*?)</small>', page)
    assert len(cells) == 2 * len(names)
    for cell in cells:
        whole = re.findall(r'<span class="whole">(.*?)</span>', cell)
        assert whole == ["−0.200 to 0.400;", "p 0.200"]
        assert re.findall(r"<span>(.*?)</span>", cell) == [f"{level} − B;"]
    style = page[: page.index("</style>")]
    assert re.search(r"td\.number small\.parts \{[^}]*white-space: normal; overflow-wrap: anywhere", style)
    assert re.search(r"td small \.whole \{ white-space: nowrap", style)


def test_every_picture_has_its_title_and_caption_as_text(task: str) -> None:
    alternatives = re.findall(r'<img alt="([^"]*)"', html(full(task)))
    assert "ROC: A curve." in alternatives
    assert all(alternatives)


def test_ages_of_few_subjects_have_a_mean_and_levels_stand_in_the_order_of_their_numbers() -> None:
    groups = {"Age": {"61": 2, "5": 1, "": 1}, "grade": {"10": 1, "2": 2, "": 1}}
    sides = {"train": {"samples": 4, "subjects": 4, "targets": {}, "groups": groups}}
    (table,) = cohort.parts(RunFacts("x", "films", {}, audit={"sides": sides}))
    rows = {row[0].text: row[1:] for row in table.rows}
    assert (rows["Age"][0].text, rows["Age"][0].sub) == ("42.3 ± 32.3", "5 to 61; 1 missing")
    assert list(rows)[-4:] == ["grade", "2", "10", "(empty)"]
    sides["train"]["groups"] = {"age": {"61": 1}}
    assert cohort.parts(RunFacts("x", "films", {}, audit={"sides": sides}))[0].rows[-1][1].text == "61.0"


def test_the_test_of_a_difference_between_subgroups_is_named() -> None:
    gap = {"value": 0.1, "lower": -0.1, "upper": 0.3, "method": "jackknife by subject, Student's t", "p_holm": 0.3}
    levels = {level: {"mae": {"value": 1.0, "lower": 0.5, "upper": 1.5, "n": 9, "gap": gap}} for level in "FM"}
    text = html(full("regression", metrics={**full("regression").metrics, "subgroups": {"sex": levels}}))
    assert "Its interval and p value: jackknife by subject, Student&#39;s t." in text


def test_the_maps_of_a_sample_have_its_id_as_it_is() -> None:
    assert titled("sample_hippocampus_056", b"").title == "hippocampus_056"
    assert titled("roc", b"").title == "ROC"


def test_numbers_keep_their_places_beside_names_from_right_to_left() -> None:
    mistakes = [Mistake("s1", "misclassified", "سليم", "مرض (0.91)", "reference class at 0.09", "site مستشفى")]
    page = html(full("classification", mistakes=mistakes, name="مرض 2", description="شديد: n = 3 & more"))
    for text in ("\u2068مرض\u2069 (0.91)", "site \u2068مستشفى\u2069", "\u2068شديد\u2069: n = 3 &amp; more"):
        assert f"\u200e{text}" in page
    assert ">سليم<" in page
    assert "\u2068" not in html(full("classification"))


def test_the_banner_says_that_the_cohort_is_made_up_and_that_subjects_are_unknown() -> None:
    page = Page(html(full("regression")))
    assert "The data do not come from patients" in page.text
    assert "No subject identifiers" in page.text
    plain = Page(html(full("regression", demo=False, synthetic=False, flow={"subjects_known": True})))
    assert "Demo cohort" not in plain.text
    assert "No subject identifiers" not in plain.text


def test_small_groups_are_marked_and_gaps_given() -> None:
    page = Page(html(full("regression")))
    assert "Difference from the rest" in page.text
    assert "F *" in page.text
    assert "fewer than 20 subjects" in page.text


def test_a_failed_check_of_the_maps_stands_above_them() -> None:
    text = html(full("classification"))
    assert 0 < text.index("Do not rely on these maps") < text.index("<figcaption>Maps")
    assert ">failed<" in text
    assert "1 map is undefined" in text


def test_baselines_stand_beside_the_model() -> None:
    page = Page(html(full("regression")))
    assert "Constant: mean" in page.text


def test_looks_at_the_test_set_are_told() -> None:
    assert "This test set was evaluated 2 times" in Page(html(full("regression"))).text


def test_the_same_facts_give_the_same_bytes_without_time_or_path(tmp_path: Path, task: str) -> None:
    facts = full(task)
    first = report.build(facts, tmp_path / "one" / "report.html").read_bytes()
    second = report.build(full(task), tmp_path / "two" / "report.html").read_bytes()
    assert first == second
    assert str(tmp_path).encode() not in first
    assert not re.search(rb"\b20\d\d-\d\d-\d\d\b|\d\d:\d\d:\d\d", first)


@pytest.mark.parametrize("columns", [1, 7, 13])
def test_figures_by_class_are_all_there(columns: int) -> None:
    metrics = {f"m{i}/one": {"value": 0.1234 + i, "n": 3} for i in range(columns)}
    page = Page(html(RunFacts("a", "b", {"metrics": {"mae": {"value": 1.0}, **metrics}, "headline": ["mae"]})))
    assert all(f"m{i}" in page.text for i in range(columns))


def test_sentences_name_the_set_on_which_baselines_and_thresholds_were_fitted() -> None:
    facts = full("classification")
    told = Page(html(facts)).text
    assert "Baselines were fitted on the validation set" in told  # that of the predictions: no cohort is known
    assert "Thresholds were chosen on the validation set" in told
    stated = [point for point in facts.metrics["operating_points"] if point["name"] == "half"]
    told = Page(html(full("classification", metrics={**facts.metrics, "operating_points": stated}))).text
    assert "probability 0.5" in told
    assert "Thresholds were chosen" not in told
    trained = {**facts.metrics, "settings": {**facts.metrics["settings"], "baselines_fitted_on": "training"}}
    assert "Baselines were fitted on the training set" in Page(html(full("classification", metrics=trained))).text


def test_a_few_samples_unlike_the_training_images_are_not_none_of_them() -> None:
    facts = full("classification")
    facts = full("classification", metrics={**facts.metrics, "distance": {"beyond": 2 / 500, "n": 500}})
    assert "2 of 500 samples (0.4 %) are unlike the training images" in Page(html(facts)).text


def test_what_has_a_unit_has_it_in_the_tables_the_card_and_the_checklists(tmp_path: Path) -> None:
    facts = full("regression")
    facts = replace(facts, metrics={**facts.metrics, "units": {"mae": "years", "rmse": "years"}})
    results = Page(html(facts, only=["results"])).text
    assert "MAE (years)" in results
    assert "Lin's concordance (years)" not in results
    assert "MAE (years)" in Page(html(facts, only=["subgroups"])).text
    assert "MAE (years)" in Page(html(facts, only=["checklists"])).text
    assert "MAE (years)" in report.model_card(facts, tmp_path / "card.md").read_text()


def test_errors_of_masks_say_what_sizes_and_distances_are_in() -> None:
    facts = full("segmentation")
    facts = replace(facts, metrics={**facts.metrics, "units": {"hd95": "mm", "volume_mae": "mm³"}})
    assert "Sizes of masks are in mm³, HD95 in mm." in Page(html(facts, only=["errors"])).text


def test_each_network_has_a_row_of_its_own_and_curves_say_whose_they_are() -> None:
    member = {"epochs": 3, "best_epoch": 2, "monitor": "val_loss", "best_value": 0.1}
    table, curves = training.parts(full("classification", model={}, training={"members": [member, member]}))
    assert table.header[0] == "Network"
    assert [row[0].text for row in table.rows] == ["1", "2"]
    assert curves.caption == "Of network 1 of 2."


def test_lines_of_a_setting_stay_apart() -> None:
    (table, *_) = training.parts(
        full("classification", model={"matched": "100 % loaded\n  adapted: stem\nunexpected: fc"})
    )
    assert table.rows[0][1].text == "100 % loaded; adapted: stem; unexpected: fc"


def test_only_targets_of_the_task_are_counted_among_a_data_set_s() -> None:
    targets = {"age": {"1": 2}, "sex": {"F": 2}, "score": {"3": 2}}
    audit = {"sides": {"test": {"samples": 2, "subjects": 2, "targets": targets, "groups": {"sex": {"F": 2}}}}}

    def headings(task: dict[str, object]) -> list[str]:
        (table,) = cohort.parts(RunFacts("x", "films", {}, task=task, audit=audit))
        return [row[0].text for row in table.rows if len(row) == 1]

    assert headings({"name": "regression", "target": "age"}) == ["age (target)", "sex"]
    assert headings({"name": "regression", "targets": {"score": {}, "age": {}}}) == [
        "age (target)",
        "score (target)",
        "sex",
    ]
    assert headings({"name": "survival", "time": "age", "event": "score"}) == ["age (target)", "score (target)", "sex"]
    assert headings({"name": "unknown"}) == ["age (target)", "sex (target)", "score (target)", "sex"]


def test_long_names_in_tables_may_be_broken_after_underscores_and_only_there(tmp_path: Path) -> None:
    name = "congestion_of_the_lower_zones_of_either_lung"
    facts = full("classification")
    mistake = Mistake("s_1", HOSTILE, "no", name, "a/b", f"{name} 3")
    page = report.build(replace(facts, mistakes=[mistake]), tmp_path / "report.html").read_text()
    broken = name.replace("_", "_<wbr>")
    assert f"<td>{broken}</td>" in page
    assert f"<td>{broken} 3</td>" in page
    assert "a/<wbr>b" in page
    assert "<script" not in page
    assert "data:image/svg+xml;base64" in page  # addresses stay whole


def test_the_page_of_cases_is_linked_where_there_is_one(tmp_path: Path) -> None:
    for name, count in (("cases.html", 1), ("", 0)):
        facts = replace(full("classification"), cases=name)
        assert report.build(facts, tmp_path / "report.html").read_text().count('href="cases.html"') == count
        assert (tmp_path / "report.html").read_text().count("In MLflow, where links") == count


def test_a_target_that_is_called_target_is_not_named_twice() -> None:
    assert sentences.task(full("regression")) == "regression (a number per image)"
    assert sentences.task(replace(full("regression"), task={"name": "regression", "target": "age"})).endswith(
        ", target age"
    )


def luminance(colour: str) -> float:
    """Relative luminance of ``#rgb`` or ``#rrggbb`` (WCAG 2.2)."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_contrast_on_light_and_on_dark_paper(scheme: str) -> None:
    """WCAG 2.2, 1.4.3: 4.5 or more; figures keep their white ground, and paper is always white."""
    style = (Path(report.__file__).parent / "templates" / "report.css").read_text()
    light, dark = (dict(re.findall(r"--(\w+): (#\w+)", block)) for block in re.findall(r":root \{(.*?)\}", style, re.S))
    colours = light if scheme == "light" else light | dark
    assert set(dark) == set(light)
    for paper in ("paper", "warm"):
        for ink in ("ink", "quiet", "blue", "bad", "good"):
            one, other = sorted((luminance(colours[ink]), luminance(colours[paper])))
            assert (other + 0.05) / (one + 0.05) >= 4.5, (ink, paper)
    assert "@media screen and (prefers-color-scheme: dark)" in style
    assert not re.findall(r"(?<!background: )#[0-9a-f]{3,6}", re.sub(r":root \{.*?\}", "", style, flags=re.S).replace(
        "solid #e69f00", ""))  # fmt: skip
