"""Names in figures: letters of all writing systems, their direction, and names that stay distinct when cut short."""

from __future__ import annotations

import logging
import re
import unicodedata
import warnings
from xml.dom import minidom

import numpy as np
import pytest
from matplotlib import font_manager

from scantune import plots
from scantune.plots import direction, lettering, style

LONG = [f"Metastatic carcinoma of unknown primary, {letter}" for letter in "ABCDEFGHIJKLMNOPQRST"]


@pytest.mark.parametrize("lines", [1, 2, 4])
@pytest.mark.parametrize(
    "names",
    [
        LONG,
        [f"{letter}: metastatic carcinoma of unknown primary" for letter in "ABC"],
        [f"Metastatic carcinoma of a {kind} primary in the lung of the right side" for kind in ("known", "other")],
        ["x" * 80, "x" * 81],
        ["肺炎" * 20 + "甲", "肺炎" * 20 + "乙", "normal"],
    ],
)
def test_names_cut_short_stay_distinct_and_within_their_lines(names, lines):
    texts = lettering.shortened(names, 0.8, 6.5, lines)
    assert len(set(texts)) == len(names)
    room = int(0.8 * 72 / (0.62 * 6.5))
    for text in texts:
        assert text.count("\n") < lines
        assert max(map(len, text.split("\n"))) <= room


def test_short_names_stay_as_they_are():
    assert lettering.shortened(["benign", "malignant"], 0.8, 6.5) == ["benign", "malignant"]


def drawn_texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(lettering.Text) if text.get_text()]


@pytest.mark.slow
@pytest.mark.parametrize("number", [3, 20])
def test_classes_whose_names_begin_alike_are_told_apart_in_every_figure(number):
    names = LONG[:number]
    rng = np.random.default_rng(0)
    curves = [plots.Scored(rng.integers(0, 2, 60), rng.random(60), name) for name in names]
    figure = plots.confusion(np.eye(number) * 5, names)
    for axis in (figure.axes[0].get_xticklabels(), figure.axes[0].get_yticklabels()):
        assert len({label.get_text() for label in axis}) == number
    for draw in (plots.roc_by_class, plots.precision_recall_by_class):
        assert len({axes.get_title("left") for axes in draw(curves).axes[:number]}) == number
    for draw in (plots.roc, plots.precision_recall, plots.reliability, plots.decision_curve):
        legend = draw(curves[:3]).axes[0].get_legend()
        labels = [text.get_text().removesuffix(", n = 60") for text in legend.get_texts()]
        assert len(set(labels)) == len(labels)


def matrix_of(*names: str):
    return plots.confusion(np.eye(len(names)) * 5, names)


def test_letters_that_the_figures_own_font_lacks_come_from_a_font_of_this_machine(private_use_font, caplog):
    figure = matrix_of(private_use_font, "normal")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        svg = style.render(figure, "svg").decode()
    assert not [w for w in told if "Glyph" in str(w.message)]
    assert not caplog.records
    assert "LungSans" in svg


def test_letters_without_a_font_are_told_once_and_left_to_the_reader_s_fonts(monkeypatch, caplog):
    own = [entry for entry in font_manager.fontManager.ttflist if entry.name.startswith("DejaVu")]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    lettering._warn.cache_clear()
    with caplog.at_level(logging.WARNING), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        first, second = (style.render(matrix_of("肺炎", "结核"), "svg").decode() for _ in range(2))
        style.render(matrix_of("肺炎", "结核"), "png")
    assert first == second
    assert {"肺炎", "结核"} <= set(re.findall(r">([^<>\s]+)<", first)), "the browser writes them"
    assert not [w for w in told if "Glyph" in str(w.message)]
    (record,) = caplog.records
    assert all(letter in record.getMessage() for letter in "肺炎结核")
    assert "install a font" in record.getMessage()


def visual(text: str) -> str:
    """The order on the page of a line without nested isolates, by the classes of UAX 9 that matter here."""
    return "".join(letter for letter in text if unicodedata.category(letter) != "Cf")


@pytest.mark.parametrize(
    "text, isolates",
    [
        ("مرض (شديد): prevalence 0.573, n = 150. Bands: 95 %.", ["مرض (شديد)"]),
        ("AUC of שחפת − דלקת; p 0.03", ["שחפת", "דלקת"]),
        ("سليم (0.24)", ["سليم"]),
        ("سليم, مرض: 2", ["سليم", "مرض"]),
    ],
)
def test_numbers_and_signs_beside_right_to_left_names_keep_their_places(text, isolates):
    result = direction.isolated(text)
    assert visual(result) == text
    assert result[0] == "\u200e", "the line is one from left to right"
    assert re.findall("\u2068([^\u2069]*)\u2069", result) == isolates
    assert direction.isolated(result) == result


@pytest.mark.parametrize("text", ["مرض (شديد)", "n = 3 (0.2 to 0.4)", "Пневмония", ""])
def test_texts_of_one_direction_stay_as_they_are(text):
    assert direction.isolated(text) == text


def test_names_beside_ticks_are_isolated_too():
    figure = matrix_of("مرض (3)", "normal")
    with style.project_style(), lettering.lettered(figure):
        figure.draw_without_rendering()
        assert "\u200e\u2068مرض\u2069 (3)" in drawn_texts(figure)
    figure.draw_without_rendering()
    assert "مرض (3)" in drawn_texts(figure)


def test_files_have_isolated_names_and_the_figure_its_own_texts(monkeypatch):
    figure, axes = style.single()
    axes.text(0.1, 0.5, "مرض: n = 150")
    with style.project_style(), lettering.lettered(figure):
        assert "\u200e\u2068مرض\u2069: n = 150" in drawn_texts(figure)
    assert "مرض: n = 150" in drawn_texts(figure)
    assert style.render(figure, "svg") == style.render(figure, "svg")


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\x00b", "a\x0bb", "a\ud800b", "a\ufffeb", "a\u202eb", "a--b<script>"])
def test_a_figure_of_any_name_is_an_svg_that_a_viewer_opens(name):
    svg = style.render(matrix_of(name, "肺炎"), "svg")
    assert "\u202e" not in minidom.parseString(svg).toxml()


@pytest.mark.parametrize("name", ["congestion_of_the_lower_zones_of_either_lung", "a_b__c", "_", "in situ of_a kind"])
def test_names_are_broken_after_underscores_before_within_words(name):
    lines = lettering.fitting(name, 1.0, 7, lines=9).split("\n")
    assert "".join(lines).replace(" ", "") == name.replace(" ", "")
    assert not [line for line in lines[:-1] if len(name) > 20 and not line.endswith(("_", " ")) and "_" in line]


def test_a_name_that_is_cut_does_not_look_like_another_whole_one() -> None:
    names = ["Pleural effusion, left side", "Pleural effusion, left side, small", "Atelectasis"]
    whole, cut, other = lettering.shortened(names, 1.45, 6, lines=1)
    assert (whole, other) == (names[0], names[2])
    assert cut.endswith("small")
    assert "…" in cut
