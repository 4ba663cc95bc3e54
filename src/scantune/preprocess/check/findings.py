"""What there is to know of a cohort before any training, gathered in one pass over its files."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.cohort import values
from scantune.cohort.load import Cohort
from scantune.preprocess import store
from scantune.preprocess.check import masks
from scantune.preprocess.check import pictures as pictures_of
from scantune.preprocess.check.faults import faults_of
from scantune.preprocess.check.identifying import in_headers, in_table
from scantune.preprocess.check.unusual import unusual
from scantune.preprocess.flow import flow_of
from scantune.preprocess.mask_labels import column_text, explained, masks_of, wrong_labels
from scantune.preprocess.run import outcomes_of
from scantune.preprocess.sample import Outcome
from scantune.preprocess.units import differing_units
from scantune.records import Record, ScantuneError

if TYPE_CHECKING:
    from scantune.config.input import InputConfig

MANY = 12  # distinct values above which numbers are shown as a histogram
BINS = 12
UNITS = {"spacing": " (mm)", "frame_time": " (ms)"}
WITH_MASKS = 24
"""Most pictures of a page with outlines, which are larger."""


@dataclass(frozen=True)
class Findings:
    """Findings of a check. Ids are those of the table (or their digests); there are no paths and no header text.

    Attributes:
        flow: as in ``flow.json``: rows, selected, usable, and why the others are not.
        excluded: sample id to reason.
        histograms: what (``spacing R (mm)``, ``size A``, ``frames``, ``target/score``) to bin or value to count.
        labels: target to group to level to value to count.
        duplicates: sample ids that have the same bytes or the same tensor.
        odd_intensities: sample id to what is unlike the rest, the most unusual first.
        intensity_notes: of a cohort in which many samples are unlike the median.
        units: sample id to the unit of its values, where it is not that of most samples of its modality.
        identifying: where (``header``, ``sample ids``, ``group site``) to what looks identifying to how often.
        notes: notes of the readers to how often.
        text_areas: sample id to the number of lines of burned-in text.
        thumbnails: sample id to a small picture, uint8 [H, W] or [H, W, 3], of what a network would see, with the
            outlines of its mask.
        mask_sizes: name of each label to the number of samples that have it and its size in them.
        mask_cuts: sample id to the labels that reach beyond the network's input.
        legend: name of each label to the colour of its outline.
        wrong_labels: sample id to the labels of its mask that the tasks on it do not have.
        faults: what stops a training: nothing prepared, targets that fell away, masks that do not fit.
        table_notes: what was noticed while the table was read.
        details: sample id to more of a reason: for the local terminal only, never written.
        masks: sample id to its masks' paths: for the local terminal only, never written.
        files: sample id to its first file: for the local terminal only, never written.
        shapes: sample id to the shape [C, …] of its tensor: for what a training would refuse, not written.
    """

    flow: Mapping[str, Any]
    excluded: Mapping[str, str]
    histograms: Mapping[str, Mapping[str, int]]
    labels: Mapping[str, Mapping[str, Mapping[str, Mapping[str, int]]]]
    duplicates: Sequence[Sequence[str]]
    odd_intensities: Mapping[str, str]
    identifying: Mapping[str, Mapping[str, int]]
    notes: Mapping[str, int]
    text_areas: Mapping[str, int]
    wrong_labels: Mapping[str, str] = field(default_factory=dict)
    faults: Sequence[str] = ()
    table_notes: Sequence[str] = ()
    thumbnails: Mapping[str, np.ndarray] = field(default_factory=dict)
    mask_sizes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    mask_cuts: Mapping[str, str] = field(default_factory=dict)
    legend: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    masks: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    files: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    intensity_notes: Sequence[str] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """All that may be written, JSON-able."""
        hidden = {"thumbnails", "details", "masks", "files", "shapes"}
        return {name: value for name, value in self.__dict__.items() if name not in hidden}


def check(
    cohort: Cohort,
    settings: InputConfig,
    store_dir: Path,
    *,
    index: Mapping[str, Any] | None = None,
    mask_classes: Mapping[str, Sequence[str]] | None = None,
    needed_targets: Mapping[str, Sequence[str]] | None = None,
    separators: Mapping[str, str] | None = None,
    progress: bool = True,
    pictures: int = 60,
    headers: Callable[[Path], list[str]] | None = None,
) -> Findings:
    """Prepare every record as preprocess would (so that preprocess finds them in the store) and report the findings.

    Args:
        cohort: the table, read.
        settings: the input's block.
        store_dir: the store.
        index: of the root, by absolute path.
        mask_classes: key of each experiment that learns from the masks, to its classes, the background first.
        needed_targets: target to the experiments that cannot learn from an empty cell.
        separators: target whose cells list several words to what stands between them; each word is counted.
        progress: show a bar.
        pictures: thumbnails for the contact sheet, spread over the cohort.
        headers: file to the names of its filled identifying items; without it :func:`scantune.io.identifying_in`.

    Raises:
        ScantuneError: no room for the samples, or a package is not installed.
    """
    done: dict[str, Outcome] = {}
    records = {record.sample_id: record for record in cohort.records}
    if any(record.masks for record in cohort.records):
        pictures = min(pictures, WITH_MASKS)
    stride = max(1, len(records) // max(1, pictures))
    pictured = set(list(records)[::stride][:pictures])
    thumbnails: dict[str, np.ndarray] = {}
    for outcome in outcomes_of(cohort.records, settings, store_dir, index or {}, progress):
        if outcome.fatal:
            raise ScantuneError(outcome.fatal)
        done[outcome.sample_id] = outcome
        if outcome.key and outcome.sample_id in pictured:
            path = store.sample_path(store_dir, outcome.key)
            thumbnails[outcome.sample_id] = pictures_of.picture(path, settings.mask_overlap)
    prepared = [r for r in cohort.records if done[r.sample_id].key]
    excluded = {r.sample_id: done[r.sample_id].reason for r in cohort.records if not done[r.sample_id].key}
    facts = {r.sample_id: done[r.sample_id].facts for r in prepared}
    texts = [(name, column_text(sample_facts["reading"])) for name, sample_facts in facts.items()]
    wrong = wrong_labels(texts, mask_classes or {})
    odd, spread = unusual({name: one["reading"] for name, one in facts.items()})
    present = sorted({label for one in facts.values() for label in masks.labels_of(one)})
    names = (
        masks.label_names(present, mask_classes or {}) if any("mask_fraction" in one for one in facts.values()) else {}
    )
    return Findings(
        flow=flow_of(cohort, prepared, excluded),
        excluded=excluded,
        histograms=_histograms(prepared, facts, separators or {}),
        labels=_labels(cohort.records, separators or {}),
        duplicates=_duplicates(prepared, done),
        odd_intensities=odd,
        identifying={**in_table(cohort.records), **in_headers(cohort.records, headers)},
        notes=_notes(facts),
        text_areas={name: n for name, f in facts.items() if (n := int(f["reading"].get("text_areas") or 0))},
        wrong_labels=wrong,
        mask_sizes=masks.sizes_by_label(facts, names),
        mask_cuts=masks.cut(facts, names),
        legend=pictures_of.legend(names),
        faults=faults_of(
            cohort,
            prepared,
            excluded,
            {r.sample_id for r in cohort.records if done[r.sample_id].of_mask},
            needed_targets or {},
        )
        + ([explained(wrong, mask_classes or {}, sum(bool(text) for _, text in texts))] if wrong else []),
        table_notes=cohort.warnings,
        masks={} if cohort.pseudonymous else masks_of(cohort.records),
        files={} if cohort.pseudonymous else {r.sample_id: r.files[:1] for r in cohort.records},
        shapes={name: tuple(one["shape"]) for name, one in facts.items()},
        intensity_notes=spread,
        units=differing_units({name: one["reading"] for name, one in facts.items()}),
        thumbnails={name: thumbnails[name] for name in records if name in thumbnails},
        details={} if cohort.pseudonymous else {name: o.detail for name, o in done.items() if o.detail},
    )


def _histograms(
    records: Sequence[Record], facts: Mapping[str, Mapping[str, Any]], separators: Mapping[str, str]
) -> dict[str, dict[str, int]]:
    series: dict[str, list[float | str]] = defaultdict(list)
    for record in records:
        reading = facts[record.sample_id]["reading"]
        for what in ("size", "spacing"):
            sizes = reading.get(f"own_{what}")
            names = "RAS" if sizes and len(sizes) == 3 else ("rows", "columns")
            for axis, value in zip(names, sizes or (), strict=False):
                series[f"{what} {axis}{UNITS.get(what, '')}"].append(float(value))
        for name, what in (("volume_ml", "brain volume (ml)"), ("overlap", "overlap with the template's brain")):
            if name in reading.get("brain", {}):
                series[what].append(float(reading["brain"][name]))
        for name in ("frames", "frame_time"):
            if reading.get(name) is not None:
                series[name.replace("_", " ") + UNITS.get(name, "")].append(float(reading[name]))
        for name in ("format", "modality", "manufacturer", "unit", "photometric", "transfer_syntax"):
            if reading.get(name):
                series[name.replace("_", " ")].append(str(reading[name]))
        for name, text in record.targets.items():
            series[f"target {name}"] += [word or "(empty)" for word in _words(text, separators.get(name))]
    return {name: counted_values(sizes) for name, sizes in series.items()}


def counted_values(items: Sequence[float | str]) -> dict[str, int]:
    """How often each value, or how many in each of twelve bins where there are many numbers."""
    counts = Counter(f"{v:g}" if isinstance(v, float) else v for v in items)
    try:
        numbers = np.array([values.number(text) for text in counts.elements() if text != "(empty)"])
    except ValueError:
        return dict(counts.most_common(40))
    if len(counts) <= MANY or not numbers.size:
        return dict(sorted(counts.items(), key=lambda item: (item[0] == "(empty)", _as_number(item[0]))))
    bins = _integer_bins(numbers) if not (numbers % 1).any() and np.ptp(numbers) < 1e6 else _bins(numbers)
    return bins | ({"(empty)": counts["(empty)"]} if "(empty)" in counts else {})


def _bins(numbers: np.ndarray) -> dict[str, int]:
    amounts, edges = np.histogram(numbers, bins=BINS)
    digits = next(n for n in range(4, 18) if n == 17 or len({f"{edge:.{n}g}" for edge in edges}) == len(edges))
    return {f"{edges[i]:.{digits}g}–{edges[i + 1]:.{digits}g}": int(n) for i, n in enumerate(amounts)}


def _integer_bins(numbers: np.ndarray) -> dict[str, int]:
    """Bins of equally many integers: else some would hold one more, and equal counts would look uneven."""
    first, last = int(numbers.min()), int(numbers.max())
    width = -(-(last - first + 1) // BINS)
    edges = [*range(first, last + 1, width)]
    amounts, _ = np.histogram(numbers, bins=[*edges, edges[-1] + width])
    return {f"{edge}–{edge + width - 1}" if width > 1 else f"{edge}": int(n) for edge, n in zip(edges, amounts)}


def _as_number(text: str) -> float:
    try:
        return values.number(text)
    except ValueError:
        return float("inf")


def _words(text: str, separator: str | None) -> list[str]:
    """The words that a cell lists, each once; the whole cell where it lists none."""
    return sorted({word.strip() for word in text.split(separator)}) if separator and text else [text]


def _labels(
    records: Sequence[Record], separators: Mapping[str, str]
) -> dict[str, dict[str, dict[str, dict[str, int]]]]:
    """Of targets with few values: how often each in every level of every group."""
    tables: dict[str, dict[str, dict[str, dict[str, int]]]] = {}
    for target in records[0].targets if records else ():
        words = {r.sample_id: _words(r.targets[target], separators.get(target)) for r in records}
        if len({word for listed in words.values() for word in listed}) > MANY:
            continue
        for group in records[0].groups:
            levels = Counter(r.groups[group] for r in records)
            if len(levels) > MANY:
                continue
            table = {
                level: dict(
                    sorted(Counter(w for r in records if r.groups[group] == level for w in words[r.sample_id]).items())
                )
                for level in sorted(levels)
            }
            tables.setdefault(target, {})[group] = table
    return tables


def _duplicates(records: Sequence[Record], done: Mapping[str, Outcome]) -> list[list[str]]:
    alike: dict[str, list[str]] = defaultdict(list)
    for record in records:
        alike[str(done[record.sample_id].facts["tensor_digest"])].append(record.sample_id)
    return sorted(names for names in alike.values() if len(names) > 1)


def _notes(facts: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    counts = Counter(note for one in facts.values() for note in one["reading"].get("notes") or ())
    return dict(counts.most_common(30))
