"""The ``evaluate`` block."""

import pytest
from pydantic import ValidationError

from scantune.config.evaluate import EvaluateConfig


def test_a_case_mix_has_levels_by_name_whose_shares_sum_to_one():
    assert EvaluateConfig(case_mix={"grade": {1: 0.25, 2: 0.75}}).case_mix == {"grade": {"1": 0.25, "2": 0.75}}
    for shares in ({"F": 0.5, "M": 0.4}, {"F": 1.5, "M": -0.5}, {}):
        with pytest.raises(ValidationError, match=r"case_mix of sex: shares .* must be 0 or more and sum to one"):
            EvaluateConfig(case_mix={"sex": shares})
    with pytest.raises(ValidationError, match="case_mix"):
        EvaluateConfig(case_mix={"sex": 0.5})
