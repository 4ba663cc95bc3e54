"""Errors of a classifier, sample by sample."""

from __future__ import annotations

from scantune.plots.words import fixed
from scantune.tasks.classification.metrics import Data
from scantune.tasks.errors import Judgement, Verdict
from scantune.tasks.predictions import PredictionTable

COUNTED = "misclassified"
"""What the samples that count as errors are."""

SIZED = False
"""Only misclassified samples are shown."""

OUTLINED = False
"""Errors are pictured beside their maps, not as outlines."""


def assess(data: Data, row: int, table: PredictionTable) -> Verdict:
    """The error of one sample: how little probability its true class has.

    Its label is doubtful where it is misclassified with a probability of at least the mean of the predicted class over
    the samples labelled so: a count of the confident joint (Northcutt, Jiang and Chuang 2021, "Confident learning",
    J. Artif. Intell. Res. 70, section 3.1). No sample that is measured has trained the model.
    """
    truth, predicted = int(data.target[row]), int(data.probabilities[row].argmax())
    wrong, kind = truth != predicted, "right"
    confident = float(data.probabilities[row, predicted]) >= data.confidence[predicted]
    if wrong:
        positive = "false positive" if predicted == data.positive else "false negative"
        kind = "misclassified" if data.positive is None else positive
    members = table.text("set")[row] if "set" in table else ""
    return Verdict(
        size=1 - float(data.probabilities[row, truth]),
        wrong=wrong,
        kind=kind,
        target=data.classes[truth],
        prediction=f"{data.classes[predicted]} ({fixed(float(data.probabilities[row, predicted]), 2)})",
        interval="{" + members.replace("|", ", ") + "}" if members else "",
        error=f"reference class at {fixed(float(data.probabilities[row, truth]), 2)}",
        doubtful=wrong and bool(confident),
    )


def judgements(data: Data, table: PredictionTable) -> list[Judgement]:
    """The class of the largest probability."""
    names = list(data.classes)
    answers, truth = ([names[code] for code in codes.tolist()] for codes in (data.prediction, data.target))
    return [Judgement({f"p/{name}": name for name in names}, answers, truth, "class")]
