"""Several targets in the block of a regression: lists, blocks, what they inherit, what is refused."""

import pytest
from pydantic import ValidationError

from scantune.tasks.regression.settings import Regression


def test_a_list_of_names_takes_the_settings_of_the_block():
    block = Regression.model_validate({"targets": ["age", "score"], "range": [0, 100], "significant_error": 5})
    assert block.target_names() == ("age", "score")
    assert all(one.range == (0, 100) and one.significant_error == 5 for one in block.measures().values())
    assert block.target_rules()["score"] == {"number": True, "min": 0, "max": 100}


def test_a_target_has_settings_of_its_own_and_the_others_of_the_block():
    block = Regression.model_validate(
        {"targets": {"age": {"unit": "years"}, "score": {"range": [0, 34], "score_ranges": [5, 15]}}, "round": 0.5}
    )
    age, score = block.measures().values()
    assert (age.unit, age.range, age.round, age.cuts()) == ("years", None, 0.5, ())
    assert (score.unit, score.range, score.round, score.cuts()) == ("", (0, 34), 0.5, (5, 15))
    assert Regression.model_validate(block.model_dump()) == block
    assert Regression.model_validate_json(block.model_dump_json()) == block


def test_of_several_a_target_may_be_unknown_and_none_is_ranked_or_rescaled_alone():
    one, several = Regression(target="age", range=(0, 90)), Regression.model_validate({"targets": ["age", "score"]})
    assert (one.one_target, one.takes_empty_targets, one.output_range) == (True, False, (0, 90))
    assert (several.one_target, several.takes_empty_targets, several.output_range) == (False, True, None)
    assert one.target_columns({"age": ["1"]}) == {"target": ["1"]}
    assert several.target_columns({"age": ["1"], "score": [""]}) == {"target/age": ["1"], "target/score": [""]}


def test_an_epoch_has_metrics_of_each_target_and_means_without_a_unit():
    block = Regression.model_validate({"targets": {"age": {}, "score": {"score_ranges": [5]}}})
    result = block.epoch_metrics()
    assert list(result)[:3] == ["r2", "pearson_r", "spearman_rho"]
    assert result["mae/age"] == "min"
    assert result["r2/score"] == "max"
    assert {"mae_below_5/score", "mae_from_5/score"} < set(result)
    assert "r2" not in Regression().epoch_metrics()


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"target": ["age", "score"]}, "several targets are named by the key targets"),
        ({"targets": ["age", "age"]}, "a name occurs twice"),
        ({"targets": ["age"]}, "a single target is named by the key target"),
        ({"target": "age", "targets": ["score", "volume"]}, "name the targets by one of the two keys"),
        ({"targets": ["a/b", "c"]}, "a name has no /"),
        ({"targets": {"age": {"rang": [0, 1]}, "score": {}}}, "targets.age.rang"),
        ({"targets": {"age": {"range": [9, 1]}, "score": {}}}, "the lowest value comes first"),
        ({"targets": {"age": {"score_ranges": [9, 1]}, "score": {}}}, "cut points must ascend"),
        ({"targets": ["age", "score"], "aggregate": "vote"}, "vote counts classes"),
    ],
)
def test_what_contradicts_itself_is_refused(block, message):
    with pytest.raises(ValidationError, match=message):
        Regression.model_validate(block)
