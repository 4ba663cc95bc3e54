"""One style, the same bytes, nothing of the machine in them."""

import re

import matplotlib as mpl
import numpy as np
import pytest

from scantune import plots
from scantune.plots import style


def _some_roc():
    rng = np.random.default_rng(0)
    target = rng.random(40) < 0.4
    return plots.roc(plots.Scored(target, rng.random(40) + target, "lesion"))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["svg", "pdf", "png"])
def test_the_same_figure_gives_the_same_bytes(form):
    first, second = plots.render(_some_roc(), form), plots.render(_some_roc(), form)
    assert first == second
    assert len(first) > 1000


@pytest.mark.parametrize("form", ["svg", "pdf", "png"])
def test_a_file_holds_no_date_program_or_path(form):
    data = plots.render(_some_roc(), form)
    assert not re.search(rb"20\d\d-\d\d-\d\d|CreationDate|Matplotlib v|dc:date|/home/|/usr/", data)


def test_save_writes_whole_files_and_nothing_else(tmp_path):
    written = plots.save(_some_roc(), tmp_path / "figures" / "roc", formats=("svg", "png", "pdf"))
    assert [path.name for path in written] == ["roc.svg", "roc.png", "roc.pdf"]
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["roc.pdf", "roc.png", "roc.svg"]


def test_the_settings_of_the_reader_stay_as_they_were():
    with mpl.rc_context({"font.size": 23.0, "svg.hashsalt": "mine"}):
        _some_roc()
        assert mpl.rcParams["font.size"] == 23.0
        assert mpl.rcParams["svg.hashsalt"] == "mine"


def test_a_single_column_is_89_mm_wide():
    assert _some_roc().get_figwidth() * 25.4 == pytest.approx(89)
    assert style.canvas(style.DOUBLE).get_figwidth() * 25.4 == pytest.approx(183)


def test_series_differ_in_grey_print():
    dashes = {(str(dash), marker) for _, dash, marker in style.SERIES}
    assert len(dashes) == len(style.SERIES)


def test_what_is_not_finite_is_counted_below_the_figure():
    figure, _ = style.single()
    kept = style.finite(figure, [1, np.nan, 3, 4], [1, 2, np.inf, 4])
    assert [values.tolist() for values in kept] == [[1, 4], [1, 4]]
    assert "2 of 4 samples have no finite value" in figure.get_supxlabel().replace("\n", " ")


def test_arrays_of_different_length_are_refused():
    figure, _ = style.single()
    with pytest.raises(ValueError, match=r"differ in length: \[2, 3\]"):
        style.finite(figure, [1, 2], [1, 2, 3])


def test_an_unknown_figure_is_named_with_what_there_is():
    with pytest.raises(AttributeError, match=r"no 'pie'.*bland_altman"):
        plots.pie  # noqa: B018
