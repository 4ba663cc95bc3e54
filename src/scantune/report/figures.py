"""Titles and captions of the figures, by the name of their file."""

from __future__ import annotations

from scantune.report.facts import Picture

_WORDS = {
    "predicted_against_actual": ("Predicted against actual", "Each mark a sample; on the diagonal both agree."),
    "bland_altman": ("Agreement (Bland–Altman)", "Difference against mean, with bias and limits of agreement."),
    "histogram": ("Distribution of targets and predictions", ""),
    "confusion": ("Confusion matrix", "Rows are the truth, columns what the model said."),
    "roc": ("ROC", "Sensitivity against 1 − specificity."),
    "precision_recall": ("Precision–recall", "PPV against sensitivity."),
    "decision_curve": ("Decision curve", "Net benefit by the threshold at which one would act."),
    "reliability": ("Reliability", "Observed share against predicted probability; on the diagonal they agree."),
    "zone_confusions": ("Confusion by zone", "As on the film: the subject's right is on the left."),
    "zones": ("Agreement by zone", "As on the film: the subject's right is on the left."),
    "mean_score": ("Mean score", "Predicted against actual mean of the gradable zones."),
    "overlap": ("Overlap of the masks", "Each mark a sample."),
    "volume_agreement": ("Agreement of volumes", "Predicted and true volume of each sample."),
    "subgroups": ("Primary figure by subgroup", ""),
    "across_datasets": ("The same model on other data", ""),
    "learning_curves": ("Learning curves", ""),
    "participants": ("Flow of participants", ""),
    "sheet": ("Best, worst and randomly drawn samples", ""),
    "every_question": ("All maps of single samples", "One map a zone or structure."),
    "checks": ("Checks of the maps", ""),
    "weight_randomization": ("Maps as the weights are randomised", ""),
    "errors": ("The largest errors", ""),
}

ORDER = tuple(_WORDS)
"""Names in the order of the page."""


def titled(name: str, content: bytes) -> Picture:
    """The picture with the title and caption that go with its name."""
    title, caption = _WORDS.get(name, (name.removeprefix("sample_").replace("_", " "), ""))
    return Picture(content, title, caption)
