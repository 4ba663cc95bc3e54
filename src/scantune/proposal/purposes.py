"""What is to be learned of a source: a column of its table, its class folders, or masks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from scantune.cohort.template import fields
from scantune.proposal import beside, folders, headings, mask_classes
from scantune.proposal.columns import Roles, roles
from scantune.proposal.goals import MASKS
from scantune.proposal.listing import Listing
from scantune.proposal.source import CONTENT, FILE, MASK, SPLIT, Source
from scantune.records import ScantuneError


def with_roles(source: Source, target: str, listing: Listing) -> tuple[Source, Roles | None]:
    """What the columns mean; where none is named like a target, of the source with the masks beside its images.

    Args:
        source: rows with files.
        target: the column to predict, or :data:`~scantune.proposal.goals.MASKS`, where the user named it.
        listing: the files.

    Raises:
        ScantuneError: the column named does not exist, none can be a target, or no masks belong to the images.
    """
    source = beside.with_named_masks(source, listing)
    if target == MASKS and MASKS not in source.columns and not (source.masks or source.structures):
        found = None if source.class_folders else beside.with_masks(source, listing, least=1)
        if found is None:
            raise ScantuneError(f"--target {MASKS}: no files named as masks belong to most of the images")
        return found, _roles(found, target)
    known: Roles | None = None
    fault: ScantuneError | None = None
    try:
        known = _roles(source, target)
    except ScantuneError as error:
        fault = error
    if (fault or known is None or known.guessed) and not (target or source.class_folders):
        masked = beside.with_masks(source, listing, least=2 if known and known.guessed else 1)
        if masked is not None:
            others = ", ".join(known.target_columns()) if known else ""
            masked.notes.append(
                "the table names no masks: they were found by their names"
                + (f"; --target {others} predicts this column instead" if others else "")
            )
            return masked, _roles(masked, target)
    if fault:
        raise fault
    if known and not target and beside.with_masks(source, listing, least=2):
        known.notes.append(f"masks lie beside the images and are not used: --target {MASKS} proposes a segmentation")
    if known and not target and known.dataset.get("masks") and (others := _without_masks(source, known)):
        known.notes.append(f"the masks are the target: --target {others} predicts this column instead")
    return source, known


def _without_masks(source: Source, known: Roles) -> str:
    """The columns that are named like a target, where those of the masks are none; "" without any."""
    masks = fields(str(known.dataset.get("masks", "")))
    rest = replace(source, masks="", structures=[], columns=[c for c in source.columns if c not in masks])
    try:
        other = _roles(rest, "")
    except ScantuneError:
        return ""
    return ", ".join(other.target_columns()) if other and not other.guessed else ""


def _roles(source: Source, target: str) -> Roles | None:
    """What the columns mean; None for images of which nothing more is known."""
    if source.class_folders:
        counts = Counter(row["label"] for row in source.rows)
        partitioned = any(row["split"] for row in source.rows)
        split = {"method": "predefined"} if partitioned else {"method": "stratified", "on": "label"}
        reasons = {
            "class_folders": "samples by class: " + ", ".join(f"{k} {n}" for k, n in counts.most_common(12)),
            "split": "folders for the partitions" if partitioned else "no folders for partitions",
        }
        notes = [] if source.subject_from else [
            "which files show the same subject: each counts as a subject of its own (key `subject_from`)"
        ]  # fmt: skip
        known = Roles({"split": split}, {"name": "classification", "target": "label"}, reasons=reasons, notes=notes)
        known.subject = "subject"
        return known
    known_columns = {FILE, "sample_id", folders.SUBJECT, SPLIT, CONTENT, *fields(" ".join(source.channels))}
    bare = set(source.columns) <= {*known_columns, *fields(source.template)}
    if source.table is None and bare and not (source.masks or source.structures) and not target:
        return None

    structures = [f"{{{name}}}" for name in source.structures]
    drawn = [source.masks, source.region, *source.rater_masks.values(), *structures]
    used = {
        *source.ids,
        *fields(source.template),
        *(name for template in [*drawn, *source.channels] for name in fields(template)),
    }
    masks = source.masks or next((f"{{{name}}}" for name in source.structures), "") or mask_classes.template_of(source)
    template = fields(source.template)
    named = template[0] if len(template) == 1 else ""
    return roles(source.columns, source.rows, used, masks, target, named)


def of_files_alone(source: Source) -> bool:
    """Whether a table has names, formats and addresses of files, and nothing to be learned or to group by."""
    used = {FILE, MASK, *source.ids, *fields(source.template)}
    varied = [c for c in source.columns if c not in used and len({row[c] for row in source.rows}) > 1]
    told = (headings.group_of(c) or headings.subject_of([c]) for c in varied)
    return not any(told) and all(headings.is_technical(c) or headings.is_id(c) for c in varied)
