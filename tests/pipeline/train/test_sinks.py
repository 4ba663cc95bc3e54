"""What MLflow is given of a training."""

from __future__ import annotations

from typing import Any

from scantune import engine
from scantune.pipeline.train.sinks import MlflowSink
from scantune.tracking import Run
from tests.engine.toy import Numbers, Squared, Sum, network


class Told(Run):
    """A run that remembers what it is given."""

    def __init__(self) -> None:
        super().__init__(run_id="a")
        self.texts: dict[str, str] = {}
        self.points: list[tuple[int, str, float]] = []

    def text(self, text: str, name: str) -> None:
        self.texts[name] = text

    def send(self, points: Any) -> None:
        self.points += [(step, name, value) for step, values in points for name, value in values.items()]

    def last_step(self, name: str) -> int | None:
        return max((step for step, point_name, _ in self.points if point_name == name), default=None)


def test_losses_rates_norms_and_histograms_go_to_mlflow_by_member():
    run = Told()
    engine.fit(
        network(), Sum(), Numbers(12, 0), Numbers(8, 1), terms={"squared": Squared()},
        settings=engine.Settings(
            epochs=2, batch_size=4, monitoring={"bins": 3, "range": (0, 3), "gradient_norms": True}, progress=False,
        ),
        sinks=[MlflowSink(run, "fold_0/")], fabric=engine.launch(device="cpu", devices=1, precision="32"),
    )  # fmt: skip
    named = {(step, name) for step, name, _ in run.points}
    for name in ("train_squared_loss", "val_squared_loss", "val_mae", "learning_rate", "gradient_norm/0.weight"):
        assert {(1, f"fold_0/{name}"), (2, f"fold_0/{name}")} <= named
    assert (1, "fold_0/step/loss") in named
    header, *bins = run.texts["monitoring/fold_0/target_0002.csv"].splitlines()
    assert header == "from,to,count"
    assert [row.rsplit(",", 1)[0] for row in bins] == ["0,1", "1,2", "2,3"]
    assert sum(int(row.rsplit(",", 1)[1]) for row in bins) == 8
    assert "monitoring/fold_0/prediction_0001.csv" in run.texts
