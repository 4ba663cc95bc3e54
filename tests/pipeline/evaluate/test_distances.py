import pytest

from scantune.pipeline.evaluate import distances
from scantune.tasks.predictions import PredictionTable


def table(values, split="test"):
    n = len(values)
    columns = {"sample_id": [f"x{i}" for i in range(n)], "subject_id": [f"p{i // 2}" for i in range(n)]}
    return PredictionTable.make({**columns, "split": [split] * n, "distance": values})


def test_the_share_beyond_one_and_the_area_by_subject():
    home, away = table([0.2, 0.4, 0.6, 0.6, 0.9, 1.1]), table([0.5, 1.5, 1.2, 2.0, 0.1, 0.3])
    assert distances.of(home) == {"beyond": pytest.approx(1 / 6), "n": 6}
    result = distances.of(away, home)
    assert result["beyond"] == 0.5
    # subjects: .3, .6, 1.0 at home and 1.0, 1.6, .2 away; pairs won: 1.0 > .3, .6 and = 1.0; 1.6 > all; .2 none
    assert result["auroc"] == pytest.approx((2.5 + 3 + 0) / 9)
    assert "AUROC 0.611" in distances.in_words(result)[0]


def test_a_model_without_a_distance_has_no_section():
    plain = PredictionTable({k: v for k, v in table([0.1, 0.2]).columns.items() if k != "distance"})
    assert distances.of(plain) is None
    assert distances.in_words(None) == []
    assert "auroc" not in distances.of(table([0.5, 2.0]), table([0.1], "validation"))
