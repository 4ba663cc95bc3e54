"""Values changed in the text of params.yaml: the value and nothing else."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from scantune.config.edit import Change, changed, edited, split_settings
from scantune.config.load import parse, read_text
from scantune.records import ScantuneError

ROOT = Path(__file__).parents[2]

TEXT = """\
# all of it
datasets:
  one: &one                # the first
    root: a
    split: {method: random, fractions: [0.6, 0.2, 0.2], seed: 1}   # how
  two:
    <<: *one
    root: b

experiments:
  flow: {train: {epochs: 3, learning_rate: 1.0e-3}, evaluate: {}, names: {0: x}}
  # a comment between
  block:
    train: &settings
      epochs: 3            # few
      scheduler:
        name: step
        gamma: 0.5
      # the end of train
    evaluate:
    note: "a # b"
  shared:
    train: *settings
    evaluate: {draws: 200,   # comment
      seed: 4}
"""


def lines_changed(before: str, after: str) -> list[str]:
    difference = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in difference if line[0] in "+-"]


@pytest.mark.parametrize(
    "setting, lines",
    [
        ("experiments.flow.train.epochs=5", 2),
        ("experiments.flow.train.learning_rate=5e-4", 2),
        ("experiments.flow.evaluate.draws=500", 2),
        ("experiments.flow.train.scheduler={name: step, gamma: 0.1}", 2),
        ("experiments.block.note=c", 2),
        ("experiments.block.evaluate.draws=300", 2),
        ("experiments.block.train.loss=focal", 3),  # a line more, and the other user of the anchor
        ("experiments.shared.train.epochs=9", 2),
        ("experiments.shared.train.scheduler.gamma=0.9", 2),
        ("experiments.shared.evaluate.locked=true", 2),
        ("experiments.block.train.scheduler=onecycle", 6),
        ("datasets.two.split.seed=7", 1),
        ("datasets.one.split.seed=7", 3),
        ("datasets.one.split={method: given}", 3),
        ("datasets.two.root='x: y'", 2),
    ],
)
def test_only_the_named_value_changes(setting: str, lines: int) -> None:
    change = Change.read(setting)
    after = edited(TEXT, [change])
    assert read_text(after) == changed(read_text(TEXT), [change])
    assert len(lines_changed(TEXT, after)) == lines, after
    for comment in ("# all of it", "# the first", "# a comment between", "# the end of train", "# comment"):
        assert comment in after


def test_several_values_and_the_way_they_were_written() -> None:
    after = edited(
        TEXT, [Change.read("++experiments.flow.train.learning_rate=5e-4"), Change.read("datasets.two.root=c")]
    )
    assert "learning_rate: 5e-4}" in after
    assert read_text(after)["experiments"]["flow"]["train"]["learning_rate"] == 0.0005
    assert read_text(after)["datasets"]["one"]["root"] == "a"


@pytest.mark.parametrize(
    "setting, message",
    [
        ("experiments.flow.train.epochs", "write key.path=value"),
        ("epochs=3", "write key.path=value"),
        ("experiments.flwo.train.epochs=3", "there is no experiments.flwo; there are flow, block, shared"),
        ("experiment.flow.train.epochs=3", "there is no experiment; there are datasets, experiments"),
        ("experiments.flow.train.epochs.x=3", "experiments.flow.train.epochs is 3, not a block of keys"),
        ("experiments.flow.train.epochs=[1", "is not a YAML value"),
    ],
)
def test_a_key_that_leads_nowhere_is_told(setting: str, message: str) -> None:
    with pytest.raises(ScantuneError, match=message.replace(".", r"\.")):
        edited(TEXT, [Change.read(setting)])


def test_shipped_file_keeps_all_but_the_value() -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    params = read_text(text)
    for name in params["experiments"]:
        change = Change.read(f"experiments.{name}.train.epochs=77")
        after = edited(text, [change])
        assert len(lines_changed(text, after)) <= 4
        assert read_text(after) == changed(params, [change])
        parse(read_text(after))


BELOW = """\
inputs:
  one:
    shape: &shape
    - 16
    - 16
    spacing: &mm   # in mm
      - 3
      # the second
      - 3
    crop:          # where it is
      # from the left
      top: 1
    last: 1
  two:
    shape: *shape
    spacing: *mm
"""


@pytest.mark.parametrize(
    "setting",
    ["inputs.one.shape=[8, 8]", "inputs.one.spacing=[1, 1]", "inputs.one.crop=none", "inputs.two.shape=[9]"],
)
def test_a_value_on_the_lines_below_its_anchor_changes_for_its_key_alone(setting: str) -> None:
    change = Change.read(setting)
    after = edited(BELOW, [change])
    assert read_text(after) == changed(read_text(BELOW), [change])
    for comment in ("# in mm", "# where it is", "# from the left"):
        assert comment in after


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("datasets.d.where={id: {exclude: ['007', \"1.0\", 5]}}", [{"id": {"exclude": ["007", "1.0", 5]}}]),
        ("a.b='null' a.c=null", ["null", None]),
        ("a.b=\"it's\" a.c='it''s' a.d=it's", ["it's"] * 3),
        ('a.b="say \\"hi\\" there" a.c=2', ['say "hi" there', 2]),
        (
            "'a.b=two words' \"a.c=[1, 2]\" a.d=[3, 4] a.e={f: 1, g: x y}",
            ["two words", [1, 2], [3, 4], {"f": 1, "g": "x y"}],
        ),
        ("a.b='x a.c=1' a.d=2", ["x a.c=1", 2]),
        ("a.b='lesion #5'", ["lesion #5"]),
        ("++a.b=1\n +a.c=2", [1, 2]),
    ],
)
def test_what_is_typed_is_what_yaml_reads_of_it_quotation_marks_too(typed: str, values: list) -> None:
    assert [Change.read(one).value for one in split_settings(typed)] == values


@pytest.mark.parametrize("typed", ["a.b=#5", "a.b=lesion #5", "a.b=[1, 2] # of mine"])
def test_a_value_is_not_cut_at_a_comment(typed: str) -> None:
    with pytest.raises(ScantuneError, match="what follows # is a comment; put text in quotes"):
        Change.read(typed)


@pytest.mark.parametrize("typed", ["a.b='open", 'a.b="open', "a.b='it''s", 'a.b="x\\"'])
def test_a_quotation_mark_without_its_partner_is_told(typed: str) -> None:
    with pytest.raises(ScantuneError, match="a quotation mark is not closed"):
        split_settings(typed)


def test_a_mapping_without_braces_is_written_with_them() -> None:
    text = edited("a:\n  b: 1\n  c: 2\n", [Change.read("a.b=name: focal")])
    assert read_text(text) == {"a": {"b": {"name": "focal"}, "c": 2}}
