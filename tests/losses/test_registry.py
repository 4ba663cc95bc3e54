"""What is known of a loss before torch is what its function says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scantune.losses import declared, parts, registry
from scantune.records import ScantuneError


@pytest.fixture(autouse=True)
def _nothing_stays(monkeypatch):
    list(registry.described())  # all modules are imported, into the table that stays
    monkeypatch.setattr(registry, "_TABLE", dict(registry._TABLE))
    monkeypatch.setattr(registry, "_SHORT", {name: list(row) for name, row in registry._SHORT.items()})


def test_the_sources_say_what_the_functions_take():
    for module in registry._MODULES:
        for one in declared.read(Path(registry.__file__).with_name(f"{module.rpartition('.')[2]}.py")):
            row = registry.entry(one.name)
            assert dict(row.options) == one.options, one.name
            assert row.targets == frozenset(one.targets)
            assert row.values is not None
            assert registry.origin(one.name) == module


@pytest.mark.parametrize(
    ("spec", "targets", "why"),
    [
        ({"name": "huber", "delta": -1}, "numbers", "option delta is -1; expected a number above 0"),
        ({"name": "focal", "gamma": -0.5}, "numbers", "option gamma is -0.5; expected a number of 0 or more"),
        ({"name": "focal_bce", "alpha": 1.5}, "binary", "option alpha is 1.5; expected a number from 0 to 1"),
        ({"name": "dice", "smooth": "x"}, "masks", "option smooth is 'x'; expected a number above 0"),
        ({"name": "combined", "dice_weight": -0.5, "bce_weight": 1}, ("binary", "masks"), "weight of dice is -0.5"),
        ({"name": "combined", "dice_weight": 0, "bce_weight": 0}, ("binary", "masks"), "weight of dice is 0"),
        ({"name": "mse", "schedule": "adaptive"}, "numbers", "it is of several parts, and mse is alone"),
        ({"name": "balanced", "schedule": "cosine"}, ("binary", "masks"), "'cosine': the weights begin and end at"),
        (
            {"name": "default", "schedule": {"name": "step", "end": {"dice": 1.5, "bce": -0.5}}},
            ("binary", "masks"),
            "end is .* weights are 0 or more",
        ),
        (
            {"name": "default", "schedule": {"name": "performance", "patience": 0}},
            ("binary", "masks"),
            "patience is 1 or more",
        ),
    ],
)
def test_values_that_no_loss_has_are_refused_before_anything_runs(spec, targets, why):
    with pytest.raises(ScantuneError, match=why):
        parts.check(spec, targets, 5)


@pytest.mark.slow
def test_names_and_options_are_checked_without_torch():
    code = (
        "import sys\nfrom scantune import losses\nfrom scantune.losses import parts\n"
        "parts.check({'name': 'default', 'schedule': 'cosine'}, ('binary', 'masks'), 5)\n"
        "assert losses.names('classes')\nprint('torch' in sys.modules, callable(losses.build))"
    )
    path = str(Path(registry.__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": path})
    assert done.stdout.split() == ["False", "True"], done.stderr


@pytest.mark.parametrize(
    ("spec", "targets", "message"),
    [
        ("mze", "numbers", "'mze' is not known; did you mean mse"),
        ({"name": "huber", "dleta": 2}, "numbers", "no option 'dleta'; it has delta; did you mean 'delta'?"),
        ({"name": "huber", "delta": "a"}, "numbers", "option delta is 'a'; expected a number above 0"),
        ("dice", "numbers", "is for masks, not for numbers; these fit: focal_regression"),
        (
            {"name": "combined", "parts": {"dice": 1}, "schedule": "cosin"},
            ("binary", "masks"),
            "schedule 'cosin' is not known",
        ),
        ({"name": "combined"}, ("binary", "masks"), "a combination requires parts"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_built(spec, targets, message):
    with pytest.raises(ScantuneError, match=message.replace("?", r"\?")):
        parts.check(spec, targets, 5)


@pytest.mark.parametrize("spec", [{"name": "cross_entropy", "class_weights": "balanced"}, "focal", "weighted_ce"])
def test_what_is_right_passes(spec):
    parts.check(spec, ("classes", "binary"), 5)


def test_a_name_that_is_there_is_not_replaced_unseen():
    with pytest.raises(ScantuneError, match=r"loss 'mse': scantune.losses.regression registers that name already"):

        @registry.register("mse")
        def mine(output, target):
            return output
