"""What a check says of a training that would not begin."""

from __future__ import annotations

import pytest

from scantune.pipeline.train.rehearsal import _without_key


@pytest.mark.parametrize(
    ("key", "text", "rest"),
    [
        ("x", "experiments.x.model.options.widths: [0] is not", "model.options.widths: [0] is not"),
        ("x", "derived.x: no order", "no order"),
        ("x", "x: no order", "no order"),
        ("the", "the samples must have one shape", "the samples must have one shape"),
        ("x", "x-ray films differ", "x-ray films differ"),
        ("a.b", "experiments.aXb.model", "experiments.aXb.model"),
    ],
)
def test_a_message_loses_its_key_alone(key: str, text: str, rest: str) -> None:
    assert _without_key(text, key) == rest
