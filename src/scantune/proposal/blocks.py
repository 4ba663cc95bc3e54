"""All blocks for a table or folder: datasets, watched, inputs, experiments, each value with its reason."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scantune.amounts import number_of
from scantune.cohort.template import fill
from scantune.cohort.values import is_empty
from scantune.config.dataset import DatasetConfig
from scantune.proposal import described, folders, joining, mask_classes, patients, purposes, series, settings
from scantune.proposal.columns import Roles
from scantune.proposal.copies import without_copies
from scantune.proposal.drawn import with_command
from scantune.proposal.listing import Listing, linked_out, list_files, named_as_masks, stem
from scantune.proposal.lists import with_lists
from scantune.proposal.partitions import with_folders
from scantune.proposal.source import CONTENT, MASK, SPLIT, Source
from scantune.proposal.stacking import TABLE
from scantune.proposal.survey import survey
from scantune.proposal.tables import of_table
from scantune.records import ScantuneError

WRITTEN = Path("data/tables")
"""Folder of the project for tables that are written; git ignores it."""
_TRAIN = 0.7  # share of the subjects that train

Blocks = dict[str, dict[str, Any]]


@dataclass
class Proposed:
    """Blocks, reasons, tables and notes.

    Attributes:
        blocks: group → name → block.
        reasons: (group, name) → key with dots → reason.
        tables: tables to be written.
        notes: what was noticed, and what could not be known.
    """

    blocks: Blocks = field(default_factory=dict)
    reasons: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    tables: dict[Path, Source] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, group: str, name: str, block: Mapping[str, Any], reasons: Mapping[str, str]) -> None:
        """Add a block."""
        self.blocks.setdefault(group, {})[name] = dict(block)
        self.reasons[group, name] = dict(reasons)


def propose(path: Path, root: Path | None = None, name: str = "", target: str = "", words: str = "") -> Proposed:
    """The blocks for a table, or for a folder with tables, class folders, masks or images alone.

    Args:
        path: table or folder.
        root: folder of the files; that of the table without it.
        name: of the blocks; that of the table or folder without it.
        target: the column to predict.
        words: part of the description of the DICOM series to use where studies have several.

    Raises:
        ScantuneError: no files, no column that leads to them or can be a target, or files where DVC cannot watch them.
    """
    from scantune.config.load import parse

    home = root or (path if path.is_dir() else path.parent)
    listing = list_files(home)
    proposed = Proposed()
    sources, faults = [with_lists(s, listing) for s in _sources(path, home, name, listing, proposed)], []
    notes, untouched = list(proposed.notes), copy.deepcopy(sources) if name and len(sources) > 1 else []
    for source in sources:
        try:
            _add(proposed, source, target, words, listing)
        except ScantuneError as error:
            faults.append((source, error))
    if untouched and len(faults) == len(sources) - 1:  # one alone bears the name that was asked for
        failed = [source for source, _ in faults]
        left = next(replace(fresh, name=name) for fresh, tried in zip(untouched, sources) if tried not in failed)
        proposed = Proposed(notes=notes)
        _add(proposed, left, target, words, listing)
    if not proposed.blocks and path.is_dir() and faults and not target:
        sources = [with_lists(folders.of_folder(home, name or plain_name(path.resolve().name), listing), listing)]
        _add(proposed, sources[0], target, words, listing)
        if not proposed.blocks.get("experiments"):
            raise with_command(faults[0][1], faults[0][0].notes)
    elif not proposed.blocks:
        raise with_command(faults[0][1], faults[0][0].notes)
    for source, fault in faults:
        proposed.notes.append(f"{source.origin or source.name} is not used: {fault}")
    used = [source for source in sources if source not in [s for s, _ in faults]]
    masked = any("masks" in block for block in proposed.blocks["datasets"].values())
    proposed.notes += [*listing.notes(), *([] if masked else _unused(used, listing))]
    parse({"experiments": {}, **proposed.blocks}, "the blocks")
    proposed.notes = list(dict.fromkeys(proposed.notes))
    return proposed


def _unused(sources: Sequence[Source], listing: Listing) -> list[str]:
    """A note of files that no row names, where there is one for every other row of tables without masks."""
    if any(source.class_folders or not source.files for source in sources):
        return []
    cells = {cell for source in sources for row in source.rows for cell in row.values()}
    used = {file for source in sources for file in source.files} | cells
    used |= {fill(template, row) for source in sources for template in source.channels for row in source.rows}
    others = [n for n in listing.names if not {n, *(parent.as_posix() for parent in Path(n).parents)} & used]
    if len(others) * 2 < sum(len(source.files) for source in sources):
        return []
    some = ", ".join(others[:2])
    what = "images without a row are not used; masks are named by `masks`"
    return [f"{number_of(len(others), 'file is', 'files are')} in no row of the table, such as {some}: {what}"]


def _sources(path: Path, root: Path, name: str, listing: Listing, proposed: Proposed) -> list[Source]:
    if not path.is_dir():
        return [of_table(path, root, name or plain_name(path.stem), listing)]
    folder = name or plain_name(path.resolve().name)
    tables = joining.of_folder(root, listing, name, folder)
    if len(tables.sources) > 1 and all(map(purposes.of_files_alone, tables.sources)):
        tables.notes = [f"{s.origin} tells of the files alone: not used" for s in tables.sources]
        tables.sources = []
    proposed.notes += tables.notes
    return tables.sources or [folders.of_folder(root, folder, listing)]


def _add(proposed: Proposed, source: Source, target: str, words: str, listing: Listing) -> None:
    """Add the blocks of one source."""
    choice = series.chosen(source, words)
    source = with_folders(patients.with_patients(choice.source))
    source = source if source.class_folders else _with_ids(source)
    source, known = purposes.with_roles(source, target, listing)
    if known and known.anew:
        source = _with_ids(source.with_files().rewritten(known.anew))
    if known and known.blank_subjects and source.table is not None:
        source = _with_ids(source.with_files())
    if known and known.blank_subjects and known.subject:
        cells = [row[known.subject] for row in source.rows]
        cells = [stem(file) if is_empty(cell) else cell for cell, file in zip(cells, source.files)]
        source.notes.append(
            f"{number_of(len(known.blank_subjects), 'row has', 'rows have')} no {known.subject!r}: each is a "
            f"subject of its own"
        )
        source = source.rewritten({known.subject: cells})
    if known:
        source = without_copies(source, known)
    files = survey(source.root, source.files, choice.words)
    masked = bool(known and "masks" in known.dataset)
    dense = masked and files.kind != "video"
    if known and masked and not dense:
        source = _of_loops(source, known)
    source.notes += [note for note in [named_as_masks(source.files)] if note]
    samples = _training(source)
    name = source.name
    dataset, reasons = _dataset(source, known)
    input_block = settings.input_of(name, files, dense=dense)
    if choice.words:
        input_block.add("series", choice.words, choice.reason)
    task = dict(known.task) if known else {}
    if dense:
        keys, classes, reason = _classes(source)
        for key, value in keys.items():
            input_block.add(key, value, reason)
        task |= classes
    targets = dataset.get("targets") or {}
    rules = targets.values() if isinstance(targets, dict) else targets  # many findings are listed by their columns
    coded = described.choices(source.root, [rule["column"] if isinstance(rule, dict) else rule for rule in rules])
    proposed.notes += [*source.notes, *(known.notes if known else []), *coded, *input_block.notes]
    if source.table is None and source.origin:
        there = any(name.rpartition("/")[2] == source.origin for name in listing.tables)
        of = source.origin if there or TABLE not in source.columns else "a table that it is made of"
        proposed.notes.append(f"the table that is written is a copy: after a change of {of} run init again")
    if source.table is None and not source.class_folders:
        proposed.tables[WRITTEN / f"{name}.csv"] = source
    proposed.add("datasets", name, dataset, reasons)
    for key, block in _watched(name, dataset, source.table is None and "table" in dataset).items():
        proposed.add("watched", key, block, {})
    proposed.add("inputs", name, input_block.block, input_block.reasons)
    if not known or (masked and not dense):
        return
    model = settings.model_of(files, dense=dense, samples=samples)
    if known.model and not dense:
        model.block |= known.model
    train = settings.train_of(input_block.block, model.block, samples=samples, dense=dense)
    proposed.notes += model.notes
    block = {"dataset": name, "input": name, "task": task, "model": model.block, "train": train.block}
    why = {f"model.{k}": v for k, v in model.reasons.items()} | {f"train.{k}": v for k, v in train.reasons.items()}
    proposed.add("experiments", name, {**block, "evaluate": {}, "register": {}}, why)


def _of_loops(source: Source, known: Roles) -> Source:
    """A source of loops with masks: the one of each loop is kept; of several none, since each may be a frame's."""
    several = bool(source.rater_masks or source.region or source.structures)
    if several:
        source = replace(source, masks="", region="", rater_masks={}, structures=[])
        known.dataset.pop("masks", None)
    what = "several of each, which are not used: " if several else ""
    source.notes.append(
        f"the masks are of loops, {what}a segmentation is of images and volumes, and no experiment is proposed. Frames "
        "written as pictures, beside masks of the same names, can be segmented; --target names a column to predict"
    )
    return source


def _classes(source: Source) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Keys for the input, the task's classes and the reason, from the masks."""
    if source.structures:
        keys = ({"mask_overlap": True}, {"overlapping": True}) if source.overlapping else ({}, {})
        return keys[0], {"classes": ["background", *source.structures], **keys[1]}, "structures share pixels"
    if source.masks.endswith("*"):
        return {"mask_instances": True}, {"classes": ["background", "foreground"]}, "masks of instances, all one class"
    masks = [row[MASK] for row in source.rows if row.get(MASK)]
    stated = described.labels(source.root, source.files, masks)
    source.notes += [note for note in [described.regions(source.root, source.files)] if note]
    return mask_classes.masks_of(source.root, masks, stated, source.notes)


def _with_ids(source: Source) -> Source:
    """A written table with a column of sample ids: names of files where they are unique."""
    if source.table is not None or "sample_id" in source.columns:
        return source
    names = [stem(file) for file in source.files]
    return source.rewritten({"sample_id": names}) if len(set(names)) == len(names) else source


def _dataset(source: Source, known: Roles | None) -> tuple[dict[str, Any], dict[str, str]]:
    """The dataset's block and its reasons."""
    root = source.root
    block: dict[str, Any] = {"root": str(root), "watch": watch_of(root, source.files)}
    reasons = dict(known.reasons) if known else {}
    if source.class_folders:
        block["class_folders"] = True
        if source.subject_from:
            block["subject_from"] = source.subject_from
            reasons["subject_from"] = "files of one subject are in one partition only"
    else:
        files = [source.template, *source.channels]
        block |= {"table": _table(source), "files": files if len(files) > 1 else source.template}
        if source.header > 1 and source.table is not None:
            block["header"] = source.header
        reasons["files"] = f"files of {len(source.files)} of {len(source.rows)} rows"
        if "sample_id" in source.columns:
            block["sample"] = "{sample_id}"
    block |= known.dataset if known else {}
    if source.blank:
        block["where"] = {**block.get("where", {}), source.blank: {"exclude": [""]}}
        reasons["where"] = "; ".join(["rows without a file", *([reasons["where"]] if "where" in reasons else [])])
    if not known and folders.SUBJECT in source.columns:
        block["subject"] = folders.SUBJECT
    elif not known and CONTENT in source.columns:
        block["subject"] = CONTENT
    if source.structures:
        block["masks"] = [f"{{{name}}}" for name in source.structures]
    if source.sheet and source.table is not None:
        block["sheet"] = source.sheet
    if source.region:
        block["region"], reasons["region"] = source.region, "metrics of masks are of what lies inside"
    if source.rater_masks:
        block["rater_masks"], reasons["rater_masks"] = source.rater_masks, "beside the model in the report"
    if linked_out(root, source.files):
        block["follow_links"], reasons["follow_links"] = True, "files are links to another folder"
    return block, reasons


def _table(source: Source) -> str:
    """The table's path below the root, else below the project, which may be moved or cloned, else absolute."""
    table = (source.table or WRITTEN / f"{source.name}.csv").resolve()
    for home in (source.root, Path()):
        if table.is_relative_to(home.resolve()):
            short = table.relative_to(home.resolve()).as_posix()
            if home == source.root or not (source.root / short).exists():
                return short
    return str(table)


def _training(source: Source) -> int:
    """Samples that train."""
    stated = sum(row.get(SPLIT, "").lower().startswith("train") for row in source.rows)
    return stated or max(1, round(_TRAIN * len(source.files)))


def watch_of(root: Path, files: Sequence[str]) -> str:
    """The root, or, where it contains the project's own outputs, the folder in it that contains all files.

    Raises:
        ScantuneError: that contains them too: DVC cannot watch what it writes to.
    """
    from scantune.config.watching import holds_outputs

    if not holds_outputs(str(root)):
        return str(root)
    folder = root / os.path.commonpath([os.path.dirname(file) for file in files])
    output = holds_outputs(str(folder))
    if output:
        raise ScantuneError(
            f"{folder}: the files lie beside {output}, an output of the pipeline, so DVC cannot watch them; move "
            "them to a separate folder such as data/raw/<name>, or set --root to such a folder"
        )
    return str(folder)


def _watched(name: str, dataset: Mapping[str, Any], written: bool) -> dict[str, Any]:
    """The group ``watched`` for what the dataset reads outside of its ``watch``; empty where that is nothing.

    Args:
        name: of the dataset.
        dataset: its block.
        written: whether the table is one that is not on the disk yet.
    """
    from scantune.config.watching import entry, unwatched

    there = {"table": str((WRITTEN / f"{name}.csv").absolute())} if written else {}
    missing = unwatched(DatasetConfig.model_validate({**dataset, **there}), [])
    if written and "table" in missing:
        missing["table"] = str(dataset["table"])
    return {key: block for read, path in missing.items() for key, block in entry(name, read, path).items()}


def plain_name(text: str) -> str:
    """A name for blocks."""
    return re.sub(r"[^A-Za-z0-9_\-]+", "_", text).strip("_-") or "mine"
