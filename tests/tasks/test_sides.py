"""Which answers change places in a mirrored image."""

from scantune.tasks.sides import mirrored, pairs


def test_by_name_or_as_stated():
    names = ("right_effusion", "cardiomegaly", "left_effusion", "right_nodule")
    assert pairs(names) == {"right_effusion": "left_effusion"}
    assert mirrored(names) == (2, 1, 0, 3)
    assert mirrored(("a", "b"), {"a": "b"}) == (1, 0)
    assert mirrored(("a", "b"), {}) == (0, 1)
