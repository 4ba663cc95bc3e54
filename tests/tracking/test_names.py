"""Names as MLflow accepts them: different metrics stay different."""

from scantune.tracking.names import metric_name, metric_names


def test_names_that_differ_in_brackets_alone_stay_different():
    names = ["auroc/a(b)", "auroc/a[b]", "auroc/a_b_", "mae"]
    named = metric_names(names)
    assert len(set(named.values())) == len(names)
    assert named["mae"] == "mae"
    assert named["auroc/a_b_"] == "auroc/a_b_"
    assert all(metric_name(text) == text for text in named.values())
    assert named == metric_names(reversed(names))


def test_a_name_that_is_alone_is_as_before():
    assert metric_names(["recall_<5", "auroc/a(b)"]) == {"recall_<5": "recall_lt5", "auroc/a(b)": "auroc/a_b_"}
