"""Masks beside the images of a table that does not name them: ``derivatives/…`` of BIDS, a folder of segmentations."""

from __future__ import annotations

import re
from dataclasses import replace

from scantune import io
from scantune.proposal.folders import of_pairing
from scantune.proposal.listing import Listing, mask_rank
from scantune.proposal.matching import by_chance, by_path
from scantune.proposal.pairing import paired
from scantune.proposal.source import FILE, MASK, Source

_SHARE = 0.5  # of the images of the table that must have a mask
_NAMED = re.compile(r"mask(?!ed)|segmentation", re.I)  # columns of names of masks, not of images that are masked


def with_masks(source: Source, listing: Listing, least: int) -> Source | None:
    """The rows whose images have masks by the files' names, in a table with the masks; None for too few.

    Args:
        source: a table without masks.
        listing: the files.
        least: rank of the names of masks (:func:`~scantune.proposal.listing.mask_rank`).
    """
    row_of = {file: i for i, file in enumerate(source.files)}
    if source.masks or source.structures or any((source.root / f).is_dir() for f in source.files):
        return None
    drawn = [n for n in listing.names if n not in row_of and mask_rank(n) >= least]
    drawn = [n for n in drawn if io.kind_of(source.root / n) != "unknown"]
    if not drawn or any(mask_rank(file) for file in source.files):
        return None
    pairing = paired(source.root, sorted([*row_of, *drawn]))
    images = [own[0] for own in pairing.images]
    if not pairing.masks or pairing.channels or len(images) < _SHARE * len(row_of) or not row_of.keys() >= {*images}:
        return None
    base = of_pairing(source.name, source.root, pairing)
    result = source.with_files().some([row_of[image] for image in images])
    result = replace(result, columns=list(result.columns), rows=[dict(row) for row in result.rows])
    for column in (c for c in base.columns if c != FILE):
        result.add_column(column, [row[column] for row in base.rows])
    return replace(
        result, masks=base.masks, region=base.region, rater_masks=base.rater_masks, structures=base.structures,
        overlapping=base.overlapping, notes=[*source.notes, *base.notes],
    )  # fmt: skip


def with_named_masks(source: Source, listing: Listing) -> Source:
    """The source with the masks that a column names without their folder or ending; itself without such a column."""
    if source.masks or source.structures or source.class_folders:
        return source
    for column in (c for c in source.columns if _NAMED.search(c) and not by_chance(c, source.rows)):
        cells = [row[column] for row in source.rows]
        if any(cell in listing.known for cell in cells):  # paths as a template reads them
            continue
        masks = by_path([column], source.rows, listing)[1]
        if sum(map(bool, masks)) >= _SHARE * len(masks) and not {*masks} & {*source.files}:
            note = f"masks were found by the names in column {column!r}, whatever their folder and ending"
            found = source.with_files().rewritten({MASK: masks})
            return replace(found, masks=f"{{{MASK}}}", notes=[*found.notes, note])
    return source
