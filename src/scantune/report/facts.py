"""All that a report is made from. Nothing else is read: the same facts give the same page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scantune.plots import words
from scantune.tasks.figures import unit_of

SYNTHETIC = "a synthetic cohort"
"""What a model was trained on, where the data do not come from patients."""


@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Attributes:
        content: bytes of an SVG or PNG file.
        title: short heading.
        caption: what is seen, for the reader and for screen readers.
    """

    content: bytes
    title: str
    caption: str = ""


@dataclass(frozen=True)
class Mistake:
    """A row of the error sheet, as text.

    Attributes:
        sample_id: of the sample.
        kind: ``false positive``, ``misclassified``, ``largest error`` …
        target: by the reference standard.
        prediction: by the model.
        error: its size, in words.
        group: grouping columns, in words.
    """

    sample_id: str
    kind: str
    target: str
    prediction: str
    error: str = ""
    group: str = ""


@dataclass(frozen=True)
class RunFacts:
    """The facts of one run.

    Attributes:
        name: of the experiment.
        dataset: its data set's name.
        metrics: ``metrics.json``.
        description: the author's sentence on the experiment.
        task: the ``task:`` block.
        cohort: what the data are, as the cohort's folder describes them ("chest radiographs"), or "".
        demo: written by the stage ``demo``.
        synthetic: the data do not come from patients.
        flow: ``flow.json`` of preprocess.
        audit: ``audit.json`` of split.
        model: backbone, parameters, members, weights and their licence, classes, loss, fitted.
        training: ``summary.json`` of train.
        settings: block to its settings, nested.
        environment: library (and python) to version.
        digests: data or file to its digest.
        figures: name to figure of the results.
        flow_figure: the flow of participants.
        curves: learning curves.
        mistakes: the error sheet, worst first.
        mistakes_of: how many test samples were wrong, in words.
        doubts: samples whose labels are worth checking, in words; "" without one.
        mistake_pictures: sheets of their pictures and maps.
        saliency_pictures: maps and figures of their checks.
        cases: name of the page of cases beside the report; "" where there is none.
        looks: evaluations on this test set, this one included; None where they were not counted.
    """

    name: str
    dataset: str
    metrics: Mapping[str, Any]
    description: str = ""
    task: Mapping[str, Any] = field(default_factory=dict)
    cohort: str = ""
    demo: bool = False
    synthetic: bool = False
    flow: Mapping[str, Any] = field(default_factory=dict)
    audit: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, Picture] = field(default_factory=dict)
    flow_figure: Picture | None = None
    curves: Picture | None = None
    mistakes: Sequence[Mistake] = ()
    mistakes_of: str = ""
    doubts: str = ""
    mistake_pictures: Sequence[Picture] = ()
    saliency_pictures: Sequence[Picture] = ()
    cases: str = ""
    looks: int | None = None

    def targets(self, section: str) -> list[str]:
        """Targets that a section of ``metrics.json`` lists separately; "" where it is of one target."""
        return list((self.metrics.get(section) or {}).get("targets") or {"": None})

    def section(self, name: str, target: str) -> Mapping[str, Any]:
        """A section of ``metrics.json``, or the part of one of its :meth:`targets`."""
        section = self.metrics.get(name) or {}
        return (section.get("targets") or {}).get(target) or {} if target else section

    def setting(self, *keys: str) -> Any:
        """A setting by its place, such as ``setting("train", "epochs")``; None where there is none."""
        value: Any = self.settings
        for key in keys:
            if not isinstance(value, Mapping) or key not in value:
                return None
            value = value[key]
        return value

    def figure(self, name: str) -> Mapping[str, Any] | None:
        """An entry of the metrics; None where there is none."""
        entry = (self.metrics.get("metrics") or {}).get(name)
        return entry if isinstance(entry, Mapping) else None

    def label(self, name: str) -> str:
        """A metric's name with its unit, where it has one."""
        unit = unit_of(self.metrics, name)
        return f"{words.label(name)} ({unit})" if unit else words.label(name)

    @property
    def task_name(self) -> str:
        """Name of the task; "" where nothing says it."""
        return str(self.task.get("name") or self.metrics.get("task") or "")

    @property
    def headline(self) -> list[str]:
        """Names of the headline metrics that are present; all metrics where none is named."""
        metrics = self.metrics.get("metrics") or {}
        named = [name for name in self.metrics.get("headline") or () if name in metrics]
        return named or list(metrics)[:8]

    @property
    def confidence(self) -> str:
        """Level of the intervals, as "95 %"."""
        level = (self.metrics.get("settings") or {}).get("confidence", 0.95)
        return words.per_cent(level)
