"""What each figure shows: its words, its marks, what it leaves out and says so."""

import itertools
import warnings
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from scantune import plots
from scantune.plots import style
from scantune.plots.differences import apart


def entry(value, lower=None, upper=None, **more):
    return {"value": value, "lower": lower, "upper": upper, "n": 40, "n_subjects": 30, "reason": None} | more


def undefined(reason):
    return {"value": None, "lower": None, "upper": None, "n": 0, "n_subjects": 0, "reason": reason}


def words_in(figure):
    """Every text of a figure, lines joined."""
    import matplotlib.text

    figure.canvas.draw()
    result = [one.get_text().replace("\n", " ") for one in figure.findobj(matplotlib.text.Text)]
    return " | ".join(text for text in result if text)


def marks(axes):
    return np.concatenate(
        [np.asarray(collection.get_offsets()) for collection in axes.collections if len(collection.get_offsets()) > 1]
    )


LIMITS = {
    "bland_altman_bias": entry(0.5, 0.1, 0.9),
    "bland_altman_lower": entry(-3.0, -3.6, -2.4),
    "bland_altman_upper": entry(4.0, 3.4, 4.6),
}


def test_every_name_stays_a_function_after_its_module_is_loaded():
    for name in dir(plots):
        assert callable(getattr(plots, name)), name
    for name in dir(plots):
        assert callable(getattr(plots, name)), f"{name} is hidden by a module of its name"


def test_prediction_against_reference_has_identity_n_and_figures():
    figure = plots.predicted_against_actual(
        [0, 1, 2, np.nan], [0.5, 1, 3, 4], name="Loes score", limits=(0, 34), metrics={"mae": entry(0.5, 0.2, 0.9)},
        significant_error=2.0,
    )  # fmt: skip
    axes = figure.axes[0]
    text = words_in(figure)
    assert "Reference Loes score" in text
    assert "Predicted Loes score" in text
    assert "n = 3 MAE 0.500 (0.200 to 0.900)" in text
    assert "1 of 4 samples have no finite value" in text
    assert "±2 of the reference" in text
    identity = axes.lines[0].get_xydata()
    assert np.array_equal(identity[:, 0], identity[:, 1])
    assert axes.get_xlim() == axes.get_ylim()
    assert axes.get_xlim()[1] > 34


def test_predictions_outside_the_scale_are_drawn_and_counted():
    figure = plots.predicted_against_actual([0, 1, 33], [-3, 1, 40], limits=(0, 34))
    assert "2 of 3 samples lie outside the scale's range 0–34" in words_in(figure)
    assert figure.axes[0].get_ylim()[0] < -3
    assert figure.axes[0].get_ylim()[1] > 40


def test_bland_altman_draws_the_lines_of_the_metrics_file():
    target, prediction = np.array([0.0, 2, 4, 6]), np.array([1.0, 2, 5, 9])
    figure = plots.bland_altman(target, prediction, metrics=LIMITS, subjects=["a", "a", "b", "c"])
    axes = figure.axes[0]
    heights = {float(line.get_ydata()[0]) for line in axes.lines if len(set(line.get_ydata())) == 1}
    assert {0.0, 0.5, -3.0, 4.0} <= heights
    assert np.allclose(marks(axes), np.stack([(target + prediction) / 2, prediction - target], axis=1))
    text = words_in(figure)
    assert "bias 0.500 (0.100 to 0.900)" in text
    assert "upper limit 4.00 (3.40 to 4.60)" in text
    assert "join a subject's samples" in text


def test_labels_of_narrow_limits_do_not_overlap():
    narrow = {
        "bland_altman_upper": entry(0.3, 0.28, 0.32),
        "bland_altman_bias": entry(0.02, 0.01, 0.03),
        "bland_altman_lower": entry(-0.27, -0.29, -0.25),
    }
    figure = plots.bland_altman([1, 2, 3, 4], [1, 2, 3, 9], metrics=narrow)
    figure.canvas.draw()
    labels = [text for text in figure.axes[0].texts if text.get_text().startswith(("upper", "bias", "lower"))]
    upper, bias, lower = (label.get_window_extent() for label in labels)
    assert upper.y0 >= bias.y1
    assert bias.y0 >= lower.y1
    assert apart([100.0, 50.0, 0.0], [20, 20, 20]) == [100, 50, 0]
    assert apart([10.0, 8.0, -40.0], [20, 20, 20]) == [19, -1, -40]
    assert apart([10.0, 8.0, -11.0], [20, 20, 20]) == pytest.approx([22 + 1 / 3, 2 + 1 / 3, -18 + 1 / 3])


def test_bands_of_few_subjects_do_not_press_the_marks_of_bland_altman_together() -> None:
    wide = LIMITS | {"bland_altman_lower": entry(-3.0, -40, -1), "bland_altman_upper": entry(4.0, 1, 60)}
    target, prediction = [0, 10, 20, 30], [1, 8, 23, 31]
    figure = plots.bland_altman(target, prediction, metrics=wide)
    low, high = figure.axes[0].get_ylim()
    assert low <= -3
    assert high >= 4
    assert high - low < 4 * 7
    assert "Bands that reach beyond the panel are cut." in " ".join(text.get_text() for text in figure.texts)
    figure = plots.bland_altman(target, prediction, metrics=LIMITS)
    assert "are cut" not in " ".join(text.get_text() for text in figure.texts)


def test_the_zero_line_of_bland_altman_is_shown_however_large_the_bias() -> None:
    named = {"bias": 20.0, "lower": 19.0, "upper": 21.0}
    far = {f"bland_altman_{name}": entry(value, value - 0.2, value + 0.2) for name, value in named.items()}
    figure = plots.bland_altman([0, 10, 20, 30], [20, 30.5, 39.5, 50], metrics=far)
    low, high = figure.axes[0].get_ylim()
    assert low <= 0 < 21 < high
    assert "are cut" not in " ".join(text.get_text() for text in figure.texts)


def test_bland_altman_says_why_a_limit_is_missing():
    figure = plots.bland_altman([1, 2], [1, 2], metrics=LIMITS | {"bland_altman_upper": undefined("too few subjects")})
    assert "The upper limit is undefined: too few subjects." in words_in(figure)


def test_bland_altman_of_repeated_measures_shows_both_limits():
    plain = {"bland_altman_plain_upper": entry(3.5), "bland_altman_plain_lower": entry(-2.5)}
    figure = plots.bland_altman([1, 2, 3], [1, 3, 3], metrics=LIMITS | plain)
    heights = {float(line.get_ydata()[0]) for line in figure.axes[0].lines}
    assert {3.5, -2.5} <= heights
    assert "repeated measures; dotted: repeats ignored" in words_in(figure)


def test_histogram_has_the_bins_asked_for_and_counts_what_lies_outside():
    figure = plots.histogram([0, 0, 5, 34], [1, 2, -1, 40], bins=35, limits=(0, 34))
    bars = figure.axes[0].patches
    assert len(bars) == 70
    assert sum(bar.get_height() for bar in bars) == 4 - 2
    assert "2 predictions lie outside 0–34" in words_in(figure)


def test_roc_goes_through_the_points_computed_by_hand():
    figure = plots.roc(plots.Scored([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], "lesion", entry(0.75, 0.4, 1.0)))
    axes = figure.axes[0]
    curve = next(line for line in axes.lines if line.get_label().startswith("lesion"))
    assert curve.get_xydata().tolist() == [[0, 0], [0, 0.5], [0.5, 0.5], [0.5, 1], [1, 1]]
    assert "lesion: AUROC 0.750 (0.400 to 1.000)" in words_in(figure)
    assert "2 positive of 4" in words_in(figure)


def test_tied_scores_make_one_slope_not_steps():
    figure = plots.roc(plots.Scored([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5]))
    curve = next(line for line in figure.axes[0].lines if line.get_label() == "model")
    assert curve.get_xydata().tolist() == [[0, 0], [1, 1]]


def test_roc_marks_operating_points_and_band():
    band = (np.array([0.0, 1.0]), np.array([0.0, 0.9]), np.array([0.2, 1.0]))
    points = [{"name": "screening", "sensitivity": 0.9, "specificity": 0.6, "threshold": 0.3},
              {"name": "none", "threshold": None, "sensitivity": None, "specificity": None}]  # fmt: skip
    scored = plots.Scored([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.3])
    figure = plots.roc(scored, bands={"model": band}, operating_points=[points[0]])
    assert "screening (≥ 0.300)" in words_in(figure)
    assert "pointwise 95 %" in words_in(figure)


@pytest.mark.parametrize("draw", [plots.roc, plots.precision_recall, plots.reliability, plots.decision_curve])
def test_one_class_gives_words_in_place_of_a_curve(draw):
    text = words_in(draw(plots.Scored([1, 1, 1], [0.1, 0.5, 0.9])))
    assert "undefined" in text
    assert "all samples are of one class" in text


def test_targets_of_a_curve_are_zero_or_one():
    with pytest.raises(ValueError, match=r"targets of a curve are 0 or 1, found \[0.0, 1.0, 2.0\]"):
        plots.roc(plots.Scored([0, 1, 2], [0.1, 0.2, 0.3]))


def test_precision_recall_ends_at_the_prevalence():
    figure = plots.precision_recall(plots.Scored([0, 1, 0, 1, 0], [0.1, 0.9, 0.2, 0.3, 0.4]))
    curve = next(line for line in figure.axes[0].lines if line.get_label() == "model")
    assert curve.get_xydata()[-1].tolist() == pytest.approx([1.0, 0.4])
    assert "prevalence 0.400" in words_in(figure)


def test_confusion_has_counts_and_row_shares():
    text = words_in(plots.confusion([[3, 1], [0, 0]], ["good", "poor $x$"]))
    assert "3 75 %" in text
    assert "0 –" in text  # no reference of this class: no share
    assert "poor $x$" in text  # not read as a formula
    assert "n = 4." in text


def test_confusion_refuses_counts_of_another_size():
    with pytest.raises(ValueError, match=r"shape \(2, 2\), 3 classes need \(3, 3\)"):
        plots.confusion([[1, 2], [3, 4]], ["a", "b", "c"])


def test_bars_of_bins_are_wilsons_intervals():
    from scantune.plots.calibration import wilson

    lower, upper = wilson(np.array([0.5]), np.array([10]))  # Wilson 1927: 0.2366 to 0.7634
    assert (lower[0], upper[0]) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    lower, upper = wilson(np.array([0.5]), np.array([10]), 0.99)  # z = 2.5758
    assert (lower[0], upper[0]) == pytest.approx((0.1842, 0.8158), abs=1e-4)


def test_reliability_refuses_what_is_no_probability():
    with pytest.raises(ValueError, match=r"probabilities lie between 0 and 1, found -2 to 3"):
        plots.reliability(plots.Scored([0, 1, 1], [-2, 0.5, 3]))


def test_net_benefit_of_the_published_example():
    from scantune.plots.calibration import net_benefit

    # Vickers & Elkin 2006: 80 true and 90 false positives of 1,000 at a threshold of 0.1
    target = np.array([1] * 100 + [0] * 900)
    score = np.array([0.5] * 80 + [0.0] * 20 + [0.5] * 90 + [0.0] * 810)
    assert net_benefit(target, score, np.array([0.1]))[0] == pytest.approx(0.07)
    assert net_benefit(target, np.ones(1000), np.array([0.1]))[0] == pytest.approx(0.0)


GROUPS = {
    "sex": {"F": {"mae": entry(1.0, 0.8, 1.3)}, "M": {"mae": undefined("fewer than 2 samples")}},
    "site": {"B": {"mae": entry(3.0, 1.0, 5.0, n=6, n_subjects=5)}},
}


@pytest.mark.parametrize("few", [3, 80])
def test_the_wide_interval_of_a_small_group_is_cut_with_an_arrow_and_that_of_a_large_one_is_shown(few):
    entries = {"A": entry(7, 6, 8, n_subjects=80), "B": entry(9, -40, 260, n_subjects=few)}
    groups = {"site": {level: {"mae": one} for level, one in entries.items()}}
    for figure in (plots.forest(groups, "mae"), plots.across_datasets({"one": entries}, "mae")):
        low, high = figure.axes[0].get_xlim()
        assert (low > 0 and high < 20) == (few == 3)
        assert ("Arrows: the interval reaches beyond the axis." in words_in(figure)) is (few == 3)
        arrows = [line.get_marker() for line in figure.axes[0].lines if line.get_marker() in ("<", ">")]
        assert arrows == (["<", ">"] if few == 3 else [])


def test_forest_marks_small_groups_and_says_what_is_undefined():
    text = words_in(plots.forest(GROUPS, "mae", overall=entry(1.2, 1.0, 1.4)))
    for part in ("All", "sex", "F", "40 (30)", "1.00 (0.80 to 1.30)", "3.00 (1.00 to 5.00) *", "fewer than 20 subjects",
                 "undefined: fewer than 2 samples"):  # fmt: skip
        assert part in text


def test_levels_stand_in_the_order_of_their_numbers():
    levels = {name: {"mae": entry(1.0)} for name in ("12–<18", "2–<12", "from_15", "below_5", "5_to_15")}
    figure = plots.forest({"age": levels}, "mae")
    names = [tick.get_text().strip() for tick in figure.axes[0].get_yticklabels()]
    assert names == ["age", "2–<12", "below_5", "5_to_15", "12–<18", "from_15"]


def test_coverage_shows_the_nominal_share():
    groups = {"sex": {"F": {"conformal_coverage": entry(0.85, 0.7, 0.95)}}}
    figure = plots.coverage(groups, nominal=0.9, overall=entry(0.88, 0.8, 0.94))
    assert "nominal coverage 0.900" in words_in(figure)
    assert any(line.get_xdata()[0] == 0.9 for line in figure.axes[0].lines)


def test_models_on_several_data_sets():
    table = {"deep": {"A": entry(1.0, 0.9, 1.2), "B": undefined("no samples")}, "plain": {"A": entry(2.0, 1.5, 2.5)}}
    text = words_in(plots.across_datasets(table, "mae"))
    for part in ("deep", "plain", "1.00 (0.90 to 1.20)", "undefined: no samples"):
        assert part in text


ZONES = ["right_sup", "left_sup", "right_mid", "left_mid", "right_inf", "left_inf"]


def test_the_patients_right_is_on_the_left_of_the_picture():
    from scantune.plots.film import layout_of

    assert layout_of(list(reversed(ZONES))) == [ZONES[0:2], ZONES[2:4], ZONES[4:6]]
    assert layout_of(["apex", "base"]) == [["apex"], ["base"]]
    figure = plots.zones({"kappa_quadratic": {zone: entry(0.5, 0.4, 0.6) for zone in ZONES}})
    places = {one.get_text(): one.get_position() for one in figure.axes[0].texts}
    assert places["right sup"][0] < places["left sup"][0]
    assert places["right sup"][1] < places["right inf"][1]  # the axis points down
    assert "R  (patient's right) | L  (patient's left)" in words_in(figure)


def test_an_undefined_zone_has_its_reason():
    zones = {zone: entry(0.5, 0.4, 0.6) for zone in ZONES} | {"left_inf": undefined("one class only")}
    assert "undefined: one class only" in words_in(plots.zones({"kappa_quadratic": zones}))


def test_a_confusion_matrix_a_zone():
    text = words_in(plots.zone_confusions({zone: np.eye(3, dtype=int) * 4 for zone in ZONES}, ["0", "1", "2"]))
    assert all(zone.replace("_", " ") in text for zone in ZONES)
    assert "the patient's right is on the left" in text


def test_overlap_counts_what_it_cannot_draw():
    values = {"dice": [0.8, 0.9, np.nan, 0.7], "hd95": [2.0, np.inf, 3.0, 4.0]}
    figure = plots.overlap(values, metrics={"dice": entry(0.8, 0.7, 0.9)})
    assert len(figure.axes) == 2
    text = words_in(figure)
    assert "Dice n = 3 1 undefined" in text
    assert "HD95 n = 3 1 infinite" in text
    assert "HD95 (mm)" in text


def test_many_samples_are_drawn_as_their_density_and_few_each_by_itself():
    few = plots.overlap({"dice": np.linspace(0.1, 0.9, 30)}).axes[0]
    many = plots.overlap({"dice": np.linspace(0.1, 0.9, 3000)}).axes[0]
    marks = [len(drawn.get_offsets()) for axes in (few, many) for drawn in axes.collections]
    assert 30 in marks
    assert 3000 not in marks
    ends = [list(line.get_ydata()) for line in many.lines if len(line.get_ydata()) == 2]
    assert any(np.allclose(pair, 0.5, atol=1e-3) for pair in ends), "the median"


def test_no_figure_draws_from_the_global_random_state():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - what is tested
    plots.overlap({"dice": np.linspace(0.1, 0.9, 30)})
    plots.histogram([0, 5, 34], [1, 2, 3])
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_both_numbers_have_their_distribution_beside_the_marks():
    figure = plots.predicted_against_actual([0, 1, 2, 2], [0.5, 1, 3, 3])
    margins = figure.axes[0].child_axes
    counts = [sum(bar.get_height() for bar in margins[0].patches), sum(bar.get_width() for bar in margins[1].patches)]
    assert counts == [4, 4]


def test_no_label_of_a_square_panel_is_cut_off():
    figure = plots.confusion(np.eye(4) * 30 + 3, ["basophil", "eosinophil", "lymphocyte", "monocyte"])
    plots.render(figure, "png")
    assert figure.axes[0].get_tightbbox().x0 >= 0


@pytest.mark.parametrize("number", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 4, 7, 9))])
def test_no_name_above_a_square_panel_is_cut_off(number):
    rng, area = np.random.default_rng(0), entry(0.8, 0.7, 0.9)
    curves = [plots.Scored(np.arange(40) % 2, rng.random(40), f"class {k}", area) for k in range(number)]
    figure = plots.roc_by_class(curves)
    plots.render(figure, "png")
    assert max(axes.get_tightbbox().y1 for axes in figure.axes if axes.get_visible()) <= figure.bbox.height


def test_volume_agreement_draws_both_panels():
    figure = plots.volume_agreement([1.0, 2, 3], [1.1, 2.1, 2.9], metrics=LIMITS, unit="mL")
    assert len(figure.axes) == 2
    assert "Reference volume (mL)" in words_in(figure)


HISTORY = [
    {"epoch": e, "train_loss": 1 / e, "val_loss": 1.2 / e, "train_dice_loss": 0.5 / e, "val_mae": 3 / e + (e > 3),
     "learning_rate/head": 10.0**-e, "note": "text"}
    for e in range(1, 6)
]  # fmt: skip


def test_learning_curves_mark_the_best_epoch_and_what_began_to_train():
    figure = plots.learning_curves(HISTORY, monitor="val_mae", mode="min", unfreezing={2: "layer4"})
    text = words_in(figure)
    assert "best val_mae (1.00, epoch 3)" in text
    assert "layer4" in text
    assert [axes.get_ylabel() for axes in figure.axes] == ["Loss", "Loss components", "MAE", "Learning rate"]
    assert figure.axes[-1].get_yscale() == "log"
    assert "mathdefault" not in text


def test_rows_of_the_history_file_are_read_as_they_are():
    rows = [{key: str(value) for key, value in row.items()} for row in HISTORY]
    rows[1]["val_loss"] = ""
    text = words_in(plots.learning_curves(rows))
    assert "best val_loss (0.240, epoch 5)" in text
    assert "val_loss has no value in 1 of 5 epochs" in text


def test_a_history_without_epochs_is_said():
    assert "no epoch was finished" in words_in(plots.learning_curves([]))


def test_error_sheet_says_kind_truth_and_prediction_of_each():
    rng = np.random.default_rng(0)
    errors = [
        {"picture": rng.random((16, 16)), "sample_id": "s1", "kind": "false positive", "target": "good",
         "prediction": "poor", "probability": 0.93, "group": {"site": "A"}},
        {"picture": plots.Picture(rng.random((16, 16)), sides=("R", "L")), "sample_id": "s2", "error": 4.5,
         "target": 1.5, "prediction": float("nan")},
    ]  # fmt: skip
    text = words_in(plots.error_sheet(errors, title="Errors"))
    for part in ("1. s1", "false positive", "reference good, predicted poor", "probability 0.93", "site A", "2. s2",
                 "reference 1.5, predicted –", "error 4.5", "R, L: right and left side of the patient"):  # fmt: skip
        assert part in text


def test_an_empty_sheet_says_so():
    assert "there is no picture to show" in words_in(plots.contact_sheet([]))


def test_flow_names_every_reason_and_number():
    steps = [
        {"name": "in the table", "samples": 12, "subjects": 9, "excluded": {"no file found": 3, "affine singular": 1}},
        {"name": "prepared", "samples": 8, "subjects": None, "excluded": {}},
    ]
    sides = {"train": {"samples": 6, "subjects": 5}, "test": {"samples": 2, "subjects": 1}}
    text = words_in(plots.participants(steps, sides))
    for part in ("12 samples of 9 subjects", "Excluded: 4 samples", "3 × no file found", "1 × affine singular",
                 "8 samples", "6 samples of 5 subjects", "2 samples of 1 subject"):  # fmt: skip
        assert part in text
    assert "not split" in words_in(plots.participants(steps, {}))


def test_many_marks_become_pixels_in_a_vector_file():
    rng = np.random.default_rng(0)
    target = rng.random(style.RASTER_ABOVE + 1)
    data = plots.render(plots.predicted_against_actual(target, target), "svg")
    assert b"data:image/png;base64" in data
    assert len(data) < 400_000


LONG = [f"structure {i} of the right lower lobe with a name that is long" for i in range(50)]


def drawn_beside(figure):
    """Whether every panel has a width and a height once the layout is made, without a warning."""
    plots.render(figure, "png")
    return all(min(axes.get_position().size) > 0.02 for axes in figure.axes if axes.get_visible())


@pytest.mark.parametrize("number", [2, 13, *(pytest.param(n, marks=pytest.mark.slow) for n in (12, 50))])
def test_matrices_of_many_classes_with_long_names_have_room_for_them(number):
    counts = np.diag(np.arange(number) + 5)
    counts[0, 1] = 3
    figure = plots.confusion(counts, LONG[:number])
    assert drawn_beside(figure)
    (axes,) = figure.axes
    texts = [text.get_text().split("\n")[0] for text in axes.texts]
    assert {"5", "6", "3"} <= set(texts)
    box = axes.get_window_extent().width / number
    figure.canvas.draw()
    assert all(text.get_window_extent().width < box for text in axes.texts)
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(a.y0 >= b.y1 - 1 or b.y0 >= a.y1 - 1 for a, b in pairwise(boxes))


def test_a_matrix_of_a_thousand_classes_is_a_picture_without_text():
    figure = plots.confusion(np.eye(1000) * 4, [str(i) for i in range(1000)])
    assert not figure.axes[0].texts
    assert "1000 classes" in figure.get_supxlabel()
    assert len(plots.render(figure, "svg")) < 2_000_000


@pytest.mark.parametrize(
    ("draw", "number"),
    [
        *itertools.product([plots.roc, plots.precision_recall, plots.roc_by_class], [3]),
        *(pytest.param(draw, 12, marks=pytest.mark.slow) for draw in (plots.roc, plots.precision_recall)),
        *(pytest.param(plots.roc_by_class, n, marks=pytest.mark.slow) for n in (12, 50)),  # one panel has fewer
    ],
)
def test_curves_of_classes_with_long_names_leave_room_for_the_panels(draw, number):
    rng = np.random.default_rng(0)
    entry = {"value": 0.8, "lower": 0.7, "upper": 0.9}
    curves = [plots.Scored(rng.random(60) < (k + 5) / 100, rng.random(60), LONG[k], entry) for k in range(number)]
    figure = draw(curves)
    assert drawn_beside(figure)
    if number == 50:
        assert "The 40 most frequent of 50 classes" in figure.get_supxlabel().replace("\n", " ")


def under_text(axes, text, x, y):
    """Share of the points of a curve, in units of the data, that lie under a text of the panel."""
    axes.figure.canvas.draw()
    box = text.get_window_extent()
    pixels = axes.transData.transform(np.stack([x, y], axis=1))
    return np.mean([box.contains(*point) for point in pixels])


@pytest.mark.slow
@pytest.mark.parametrize(("skill", "prevalence"), [(3.0, 0.1), (0.0, 0.1), (-3.0, 0.1), (-2.0, 0.3), (3.0, 0.6)])
@pytest.mark.parametrize(("draw", "area"), [("roc_by_class", "AUROC"), ("precision_recall_by_class", "AUPRC")])
def test_the_area_of_a_class_stands_where_it_does_not_hide_the_curve(draw, area, skill, prevalence):
    rng = np.random.default_rng(0)
    target = (rng.random(200) < prevalence).astype(int)
    curves = [
        plots.Scored(values, skill * values + rng.normal(size=200), name, entry(0.135, 0.048, 0.325))
        for name, values in (("a", target), ("b", 1 - target))
    ]
    axes = getattr(plots, draw)(curves).axes[0]
    (text,) = [text for text in axes.texts if area in text.get_text()]
    line = max(axes.lines, key=lambda line: line.get_zorder())
    assert under_text(axes, text, *line.get_data()) < 0.02


@pytest.mark.parametrize("draw", ["roc", "precision_recall"])
def test_the_legend_of_a_poor_classifier_does_not_hide_its_curve(draw):
    rng = np.random.default_rng(0)
    target = (rng.random(200) < 0.1).astype(int)
    figure = getattr(plots, draw)(
        plots.Scored(target, rng.normal(size=200) - 2 * target, "model", entry(0.1, 0.05, 0.2))
    )
    axes = figure.axes[0]
    line = max((line for line in axes.lines if len(line.get_xdata()) > 2), key=lambda line: line.get_zorder())
    assert under_text(axes, axes.get_legend(), *line.get_data()) < 0.02


def test_the_figures_of_an_overconfident_model_do_not_hide_its_curve():
    target = np.tile([1, 0, 0, 0, 0, 0, 0, 0, 0, 0], 20)
    score = np.linspace(0.5, 0.99, 200)
    metrics = {name: entry(0.5, 0.4, 0.6) for name in ("ece", "brier", "calibration_slope", "calibration_intercept")}
    axes = plots.reliability(plots.Scored(target, score), metrics=metrics).axes[0]
    (text,) = [text for text in axes.texts if "Brier" in text.get_text()]
    (line,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert under_text(axes, text, *line.get_data()) == 0


@pytest.mark.parametrize("n", [8, 300])
def test_overlap_uses_nothing_that_is_deprecated(n):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.render(plots.overlap({"dice": np.linspace(0.1, 0.9, n), "hd95": np.full(n, 3.0)}), "png")


def test_one_epoch_is_at_an_integer_and_seen_in_every_panel():
    rows = [{"epoch": 1, "train_loss": 0.5, "val_loss": 0.6, "learning_rate": 1e-3}]
    figure = plots.learning_curves(rows)
    plots.render(figure, "png")
    ticks = [label.get_text() for label in figure.axes[-1].get_xticklabels() if label.get_text()]
    assert "1" in ticks
    assert all(text.lstrip("−").isdigit() for text in ticks), ticks
    assert all(any(line.get_marker() == "." for line in axes.lines) for axes in figure.axes)


def test_a_loss_of_one_component_has_no_second_panel():
    rows = [{"epoch": e, "train_loss": 1 / e, "val_loss": 2 / e, "train_bce_loss": 1 / e, "val_bce_loss": 2 / e}
            for e in range(1, 4)]  # fmt: skip
    assert [axes.get_ylabel() for axes in plots.learning_curves(rows).axes] == ["Loss"]


def test_validation_every_few_epochs_is_a_line():
    rows = [{"epoch": e, "train_loss": 1 / e, "val_loss": 2 / e if e % 5 == 0 else None} for e in range(1, 16)]
    (validation,) = [line for line in plots.learning_curves(rows).axes[0].lines if line.get_label() == "validation"]
    assert validation.get_xdata().tolist() == [5, 10, 15]
    assert validation.get_ydata().tolist() == [2 / 5, 2 / 10, 2 / 15]


def test_n_and_metrics_do_not_hide_samples_that_are_overestimated():
    rng = np.random.default_rng(0)
    target, prediction = rng.uniform(25, 35, 30), rng.uniform(60, 90, 30)
    metrics = {"mae": entry(40.5, 38.1, 44.0)}
    scatter = plots.predicted_against_actual(target, prediction, metrics=metrics).axes[0]
    volumes = plots.volume_agreement(target, prediction, metrics=LIMITS).axes[0]
    for axes in (scatter, volumes):
        (text,) = [text for text in axes.texts if "n = 30" in text.get_text()]
        assert under_text(axes, text, target, prediction) == 0
    low = plots.predicted_against_actual(prediction, target, metrics=metrics).axes[0]
    (text,) = [text for text in low.texts if "n = 30" in text.get_text()]
    assert under_text(low, text, prediction, target) == 0


def test_intervals_that_are_cut_off_by_the_panel_are_counted():
    bounds = {"lower": [-50, 5, 9], "upper": [60, 15, 90]}
    figure = plots.predicted_against_actual([0, 10, 20], [5, 10, 18], **bounds)
    assert "Bars: prediction intervals. 2 of 3 reach beyond the panel." in words_in(figure)
    inside = plots.predicted_against_actual([0, 10, 20], [5, 10, 18], lower=[4, 9, 17], upper=[6, 11, 19])
    assert "beyond" not in words_in(inside)


def hidden_bars(axes: Axes) -> list[str]:
    """Texts of a panel on its interval bars."""
    renderer = axes.figure.canvas.get_renderer()
    bars = [
        axes.transData.transform(segment)
        for lines in axes.collections
        if isinstance(lines, LineCollection)
        for segment in lines.get_segments()
    ]
    texts = []
    for text in axes.texts:
        box = text.get_window_extent(renderer)
        if any(box.x0 <= x <= box.x1 and y0 <= box.y1 and box.y0 <= y1 for (x, y0), (_, y1) in bars):
            texts.append(text.get_text())
    return texts


@pytest.mark.parametrize("right", [True, False])
def test_text_of_reliability_lies_where_no_interval_bar_is_and_above_the_marks(right):
    """Few samples a bin: bars of half the panel on one side; the text takes the other."""
    from scantune.tasks.multilabel.figures import _reliability

    p = np.linspace(0.62, 0.98, 10) if right else np.linspace(0.02, 0.38, 10)
    y = np.full(10, int(right))
    entry = {"value": 0.11, "lower": 0.05, "upper": 0.3}
    curve = plots.Scored(y, p, "finding", entry)
    for figure in (
        plots.reliability(curve, metrics={"ece": entry, "brier": entry, "calibration_slope": entry}),
        plots.zone_reliability({"right_sup": curve, "left_sup": curve}, curve),
        _reliability([curve, curve, curve], 0.95),
    ):
        figure.draw_without_rendering()
        panels = [axes for axes in figure.axes if axes.texts]
        assert panels
        for axes in panels:
            assert not hidden_bars(axes)
            about = [text for text in axes.texts if "ECE" in text.get_text() or "n = " in text.get_text()]
            assert all(text.get_bbox_patch() is not None and text.get_zorder() > 3 for text in about)


def test_text_of_reliability_stands_below_the_figure_where_bars_are_in_both_corners():
    score = np.concatenate([np.linspace(0.02, 0.1, 4), np.linspace(0.9, 0.98, 4)])
    curve = plots.Scored(np.array([1, 0, 1, 0, 0, 1, 0, 1]), score, "model")
    figure = plots.reliability(curve, metrics={"ece": entry(0.11, 0.05, 0.3), "brier": entry(0.2, 0.1, 0.3)})
    assert not figure.axes[0].texts
    assert "Brier score 0.200 (0.100 to 0.300)." in words_in(figure)


def test_where_all_groups_are_small_the_axis_shows_the_interval_of_the_largest():
    def entry(value, n):
        return {"value": value, "lower": value - 1, "upper": value + 2, "n": n, "n_subjects": n}

    groups = {"sex": {"F": {"mae": entry(1.8, 6)}, "M": {"mae": entry(1.3, 6)}}}
    figure = plots.forest(groups, "mae", overall=entry(1.5, 12))
    low, high = figure.axes[0].get_xlim()
    assert low <= 0.5 < 3.5 <= high


def test_a_curve_of_an_evaluation_without_a_band_says_why():
    curve = plots.Scored(np.arange(8) > 5, np.arange(8) / 8, "1")
    assert "Without a band: too few subjects" in words_in(plots.roc(curve, bands={}))
    assert "Without a band" not in words_in(plots.roc(curve))
    per_class = [plots.Scored(np.arange(8) % 3 == k, np.arange(8) / 8, str(k)) for k in range(3)]
    assert "Without a band: too few subjects" in words_in(plots.roc_by_class(per_class, bands={}))
    assert "Without a band" not in words_in(plots.roc_by_class(per_class))
