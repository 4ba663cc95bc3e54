"""A cohort's records → samples, ``manifest.csv``, ``excluded.csv`` and ``flow.json``."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune.cohort.load import Cohort
from scantune.files import write_json
from scantune.preprocess import sources, store
from scantune.preprocess.agreement import write_input
from scantune.preprocess.flow import counted, flow_of
from scantune.preprocess.manifest import write_manifest
from scantune.preprocess.mask_labels import column_text, masks_of, named, refuse_wrong_labels
from scantune.preprocess.sample import Job, Outcome
from scantune.preprocess.units import differing_units
from scantune.progress import with_progress
from scantune.records import Record, ScantuneError
from scantune.tables import write_csv

if TYPE_CHECKING:
    from scantune.config.input import InputConfig


@dataclass(frozen=True)
class Summary:
    """What a run of preprocess did.

    Attributes:
        prepared: samples in ``manifest.csv``.
        excluded: sample id to reason.
        newly_prepared: samples prepared in this run; the others were in the store.
        repaired: samples found damaged in the store and prepared again.
        changed: files (for the terminal) that differ from the index.
        flow: as in ``flow.json``.
        details: sample id to more of the reason, for the terminal only.
    """

    prepared: int
    excluded: Mapping[str, str]
    newly_prepared: int
    repaired: tuple[str, ...]
    changed: tuple[str, ...]
    flow: Mapping[str, Any]
    details: Mapping[str, str] = field(default_factory=dict)


class TooManyExcluded(ScantuneError):
    """More samples fell out than ``max_excluded_fraction`` allows."""


def run(
    cohort: Cohort | Sequence[Record],
    settings: InputConfig,
    out_dir: Path,
    store_dir: Path,
    *,
    max_excluded_fraction: float = 0.1,
    index: Mapping[str, tuple[int, int, str]] | None = None,
    mask_classes: Mapping[str, Sequence[str]] | None = None,
    progress: bool = True,
    say: Callable[[str], None] | None = None,
) -> Summary:
    """Prepare every record, at most once for each content, settings and version of the code.

    Args:
        cohort: what :func:`scantune.cohort.read` gave (its counts open the flow of participants), or records alone.
        settings: the input's block of ``params.yaml``.
        out_dir: gets ``samples/<sample_id>.safetensors``, ``manifest.csv``, ``digests.csv`` (of each sample's content,
            masks and facts too: what later stages depend on), ``display/`` (what people are shown of each sample) and
            ``display.csv`` (the digests of that), ``input.json`` (the settings), ``excluded.csv``, ``flow.json``.
        store_dir: where samples are kept between runs; shared by all inputs and by runs at the same time.
        max_excluded_fraction: fail if a larger share of samples is excluded.
        index: what ``scantune index`` wrote, by absolute path.
        mask_classes: key of each experiment that learns from the masks, to its classes, the background first.
        progress: show a bar on the terminal.
        say: receives lines for the local terminal (files by path, damaged samples); None: discarded.

    Raises:
        TooManyExcluded: after all files are written.
        WrongLabels: masks have labels outside of ``mask_classes``; after all files are written.
        ScantuneError: no room, or a package is not installed; completed samples remain, and the next run resumes there.
    """
    selected = cohort if isinstance(cohort, Cohort) else Cohort(list(cohort), len(cohort))
    say = say or (lambda line: None)
    for folder in _FOLDERS:
        (out_dir / folder).mkdir(parents=True, exist_ok=True)
    store_dir.mkdir(parents=True, exist_ok=True)
    store.sweep(store_dir)
    done: dict[str, Outcome] = {}
    files = {} if selected.pseudonymous else {record.sample_id: record.files for record in selected.records}
    learned: sources.Known = {}
    with closing(outcomes_of(selected.records, settings, store_dir, index or {}, progress)) as results:
        for outcome in results:
            if outcome.fatal:
                sources.remember(store_dir / "digests.sqlite", learned)
                left = len(selected.records) - len(done)
                raise ScantuneError(f"{outcome.fatal}. {left} of {len(selected.records)} samples remain to be prepared")
            done[outcome.sample_id] = outcome
            learned |= outcome.learned
            if len(learned) > 10_000:
                sources.remember(store_dir / "digests.sqlite", learned)
                learned = {}
            if outcome.key:
                _link(outcome, store_dir, out_dir)
            _tell(outcome, files, say, hidden=selected.pseudonymous)
    sources.remember(store_dir / "digests.sqlite", learned)
    for path in [path for folder in _FOLDERS for path in (out_dir / folder).iterdir()]:
        if path.stem not in done or not done[path.stem].key:
            path.unlink()
    units = differing_units({name: one.facts["reading"] for name, one in done.items() if one.key})
    for sample_id, unit in units.items():
        say(f"{named(sample_id, files)}: its values are in another unit than those of most: {unit}")
    write_input(out_dir, settings)
    summary = _written(selected, done, out_dir, max_excluded_fraction)
    _refuse_labels(selected, done, mask_classes or {})
    return summary


def _refuse_labels(cohort: Cohort, done: Mapping[str, Outcome], mask_classes: Mapping[str, Sequence[str]]) -> None:
    """Stop where masks of the reference, or of readers, have labels outside of the tasks."""
    reading = {r.sample_id: done[r.sample_id].facts["reading"] for r in cohort.records if done[r.sample_id].key}
    texts = [(sample_id, column_text(facts)) for sample_id, facts in reading.items()]
    files = {} if cohort.pseudonymous else masks_of(cohort.records)
    refuse_wrong_labels(texts, mask_classes, files, "manifest.csv, column mask_labels")
    drawn = [
        (f"{sample_id}, reader {name}", column_text(about))
        for sample_id, facts in reading.items()
        for name, about in facts.get("rater_labels", {}).items()
    ]
    by_reader = {
        f"{r.sample_id}, reader {name}": paths for r in cohort.records for name, paths in r.rater_masks.items()
    }
    refuse_wrong_labels(drawn, mask_classes, {} if cohort.pseudonymous else by_reader)


#: One file a sample in each.
_FOLDERS = ("samples", "display")


def _link(outcome: Outcome, store_dir: Path, out_dir: Path) -> None:
    """A sample and its display copy, from the store to the outputs."""
    places = store.sample_path(store_dir, str(outcome.key)), store.display_path(store_dir, outcome.display[0])
    for source, folder in zip(places, _FOLDERS, strict=True):
        store.link(source, out_dir / folder / f"{outcome.sample_id}.safetensors")


def outcomes_of(
    records: Sequence[Record], settings: InputConfig, store_dir: Path, index: Mapping[str, Any], progress: bool
) -> Generator[Outcome]:
    """The outcome of each record in order of completion: prepared, found in the store, or excluded."""
    from scantune.preprocess.parallel import outcomes

    jobs = [Job.of(record) for record in records]
    plain = settings.model_dump(mode="json")
    results = outcomes(jobs, plain, store_dir, index)
    return with_progress(results, len(jobs), "preprocess", _counts()) if progress else results


def _counts() -> Callable[[Outcome], str]:
    """What stands beside the count of samples: how many were prepared now, and how many are left out."""
    prepared = excluded = 0

    def told(outcome: Outcome) -> str:
        nonlocal prepared, excluded
        prepared, excluded = prepared + outcome.is_new, excluded + bool(outcome.reason)
        return f"{prepared} prepared, {excluded} excluded"

    return told


def _tell(outcome: Outcome, files: Mapping[str, Sequence[Path]], say: Callable[[str], None], *, hidden: bool) -> None:
    """Lines for the terminal; where the id is a keyed digest, no path stands beside it."""
    if outcome.reason:
        say(f"left out {'a sample' if hidden else outcome.sample_id}: {outcome.reason} ({outcome.detail})")
    if outcome.repaired:
        say(f"{named(outcome.sample_id, files)}: its stored sample was damaged and was prepared again")
    for name in outcome.changed:
        whose = "a sample" if hidden else outcome.sample_id
        say(f"{whose}: {name} has changed since the index was written and was read again")


def _written(cohort: Cohort, done: Mapping[str, Outcome], out_dir: Path, limit: float) -> Summary:
    prepared = [r for r in cohort.records if done[r.sample_id].key]
    excluded = {r.sample_id: done[r.sample_id].reason for r in cohort.records if not done[r.sample_id].key}
    write_manifest(out_dir / "manifest.csv", [(r, done[r.sample_id]) for r in prepared], cohort.provenance)
    digests = {
        "digests.csv": [[r.sample_id, done[r.sample_id].facts["digest"]] for r in prepared],
        "display.csv": [[r.sample_id, done[r.sample_id].display[1]] for r in prepared],
    }
    for name, rows in digests.items():
        write_csv(out_dir / name, ["sample_id", "digest"], rows)
    write_csv(out_dir / "excluded.csv", ["sample_id", "reason"], [[k, v] for k, v in excluded.items()])
    flow = flow_of(cohort, prepared, excluded)
    write_json(out_dir / "flow.json", flow)
    summary = Summary(
        prepared=len(prepared),
        excluded=excluded,
        newly_prepared=sum(o.is_new for o in done.values()),
        repaired=tuple(o.sample_id for o in done.values() if o.repaired),
        changed=tuple(name for o in done.values() for name in o.changed),
        flow=flow,
        details={o.sample_id: o.detail for o in done.values() if o.detail},
    )
    total = len(cohort.records)
    if not prepared or len(excluded) > limit * total:
        reasons = "; ".join(f"{count} × {reason}" for reason, count in counted(excluded.values()).items())
        raise TooManyExcluded(
            f"{len(excluded)} of {total} samples cannot be used, more than max_excluded_fraction {limit:g} allows: "
            f"{reasons}. Correct the files, or raise max_excluded_fraction if this is expected"
        )
    return summary
