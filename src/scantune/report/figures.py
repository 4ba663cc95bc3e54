"""Titles and captions of the figures, by the name of their file."""

from __future__ import annotations

from functools import cache

from scantune.report.facts import Picture
from scantune.tasks.catalogue import names, part
from scantune.tasks.figures import PART

_BEFORE = {
    "across_datasets": ("The same model on other data sets", ""),
}
_AFTER = {
    "subgroups": ("Primary metric by subgroup", ""),
    "coverage": (
        "Coverage of conformal intervals or sets",
        "Share of samples whose interval or set contains the reference, overall and by subgroup.",
    ),
    "learning_curves": ("Learning curves", ""),
    "participants": ("Flow of participants", ""),
    "sheet": ("Best, worst and randomly drawn samples", ""),
    "every_question": ("All maps of single samples", "One map per zone, target or structure."),
    "checks": ("Checks of the maps", ""),
    "weight_randomization": ("Maps as the weights are randomised", ""),
    "errors": ("The largest errors", ""),
}

OF_SAMPLES = "_of_samples"
"""How names end of figures of single samples where samples are joined."""

OF_ONE = "sample_"
"""How names begin of the maps of one sample; its id follows."""


@cache
def captions() -> dict[str, tuple[str, str]]:
    """Name of a figure to its title and caption, in the order of the page: the tasks' own come first."""
    by_task = [part(task, "figures").CAPTIONS for task in names()]
    return _BEFORE | {name: words for table in by_task for name, words in table.items()} | _AFTER


def titled(name: str, content: bytes) -> Picture:
    """The picture with the title and caption that go with its name."""
    stem = name.removesuffix(OF_SAMPLES)
    drawn, _, of = stem.partition(PART)
    title, caption = captions().get(drawn, (_unlisted(stem), ""))
    title += f", {of.replace('_', ' ')}" if of and drawn in captions() else ""
    title += ", samples not joined" if stem != name else ""
    return Picture(content, title, caption)


def _unlisted(stem: str) -> str:
    """A sample's id as it is, to be searched for; other names in words."""
    return stem.removeprefix(OF_ONE) if stem.startswith(OF_ONE) else stem.replace("_", " ")
