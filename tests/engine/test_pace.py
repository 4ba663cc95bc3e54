from __future__ import annotations

from types import SimpleNamespace

from scantune import engine
from scantune.engine.pace import Pace


def test_pace_by_hand() -> None:
    class Position:
        epoch, in_epoch, step = 1, 5, 15

    class Stub:
        position = Position()
        steps_per_epoch = 10
        settings = engine.Settings(epochs=4)

    pace = Pace(Stub(), 0.0)  # type: ignore[arg-type]
    assert pace.text() == ""
    for now in (2.0, 4.0, 6.0):
        pace.step(now)
    assert pace.seconds_left() == 25 * 2.0  # 5 of this epoch and 2 epochs of 10
    assert pace.text() == "0.5 steps/s · 50 s left"
    pace.epoch(9.0)  # a validation of 3 s; three are to come
    assert pace.seconds_left() == 25 * 2.0 + 3 * 3.0


def test_epochs_without_a_validation_take_no_time_for_one() -> None:
    settings = engine.Settings(epochs=10, validate_every=4)
    assert [epoch for epoch in range(1, 11) if settings.validates(epoch)] == [1, 4, 8, 10]
    assert [settings.validations_after(completed) for completed in (0, 1, 7, 10)] == [4, 3, 2, 0]
    stub = SimpleNamespace(position=SimpleNamespace(epoch=1, in_epoch=0), steps_per_epoch=10, settings=settings)
    pace = Pace(stub, 0.0)  # type: ignore[arg-type]
    pace.step(1.0)
    pace.epoch(4.0)  # a validation of 3 s
    stub.position.epoch = 2
    pace.step(5.0)
    pace.epoch(5.0)
    assert pace.seconds_left() == 80 * 1.0 + 3 * 3.0
