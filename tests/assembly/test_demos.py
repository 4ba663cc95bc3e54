from __future__ import annotations

from types import SimpleNamespace

from scantune.assembly.demos import demo_of


def test_only_cohorts_that_a_phantom_wrote_are_called_synthetic():
    roots = {"echo": "data/demo/loops", "digits": "data/demo/digits", "real": "/data/demo/echo", "own": "data/raw/demo"}
    params = SimpleNamespace(
        datasets={name: SimpleNamespace(root=root) for name, root in roots.items()},
        demo={"loops": SimpleNamespace(cohort="echo"), "digits": SimpleNamespace(cohort="digits")},
    )
    assert demo_of(params, "echo")[1]
    assert "cine loops" in demo_of(params, "echo")[0]
    assert demo_of(params, "digits")[0] != ""
    assert not demo_of(params, "digits")[1], "real handwriting"
    assert demo_of(params, "real") == demo_of(params, "own") == ("", False)
