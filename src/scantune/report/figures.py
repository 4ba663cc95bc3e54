"""Titles and captions of the figures, by the name of their file."""

from __future__ import annotations

from scantune.report.facts import Picture

_WORDS = {
    "across_datasets": ("The same model on other data", ""),
    "predicted_against_actual": ("Predicted against actual", "Each mark a sample; on the diagonal both agree."),
    "bland_altman": ("Agreement (Bland–Altman)", "Difference against mean, with bias and limits of agreement."),
    "histogram": ("Distribution of targets and predictions", ""),
    "confusion": ("Confusion matrix", "Rows are the truth, columns what the model said."),
    "roc": ("ROC", "Sensitivity against 1 − specificity; of several classes each against the rest."),
    "precision_recall": ("Precision–recall", "PPV against sensitivity; of several classes each against the rest."),
    "decision_curve": ("Decision curve", "Net benefit by the threshold at which one would act."),
    "reliability": ("Reliability", "Observed share against predicted probability; on the diagonal they agree."),
    "severity_roc": ("ROC of the mean score", "The predicted mean score for a true one above each cut-off."),
    "severity_confusion": ("Class of the mean score", "Rows are the truth, columns what the model said."),
    "zone_confusions": ("Confusion by zone", "As on the film: the subject's right is on the left."),
    "zone_reliability": ("Reliability by zone", "How often the grade that is said is right, by its probability."),
    "zones": ("Agreement by zone", "As on the film: the subject's right is on the left."),
    "mean_score": ("Mean score", "Predicted against actual mean of the gradable zones."),
    "mean_score_agreement": ("Agreement of mean scores (Bland–Altman)", "Difference against mean of both scores."),
    "overlap": ("Overlap of the masks", "Each mark a sample."),
    "volume_agreement": ("Agreement of sizes", "Predicted and true size of each sample's mask."),
    "subgroups": ("Primary figure by subgroup", ""),
    "coverage": ("Coverage of conformal intervals or sets", "Share that holds the truth, in all and by subgroup."),
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

OF_SAMPLES = "_of_samples"
"""How names end of figures of single samples where samples are joined."""


def titled(name: str, content: bytes) -> Picture:
    """The picture with the title and caption that go with its name."""
    stem = name.removesuffix(OF_SAMPLES)
    title, caption = _WORDS.get(stem, (stem.removeprefix("sample_").replace("_", " "), ""))
    title += ", samples not joined" if stem != name else ""
    return Picture(content, title, caption)
