"""Files of several kinds beside each other, of which the rows of a table lead to one: FLAIR, T1, T2; CT, PET."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from scantune import io
from scantune.proposal.listing import ENDING, Listing, mask_rank, spread, stem
from scantune.proposal.readings import one_grid
from scantune.proposal.source import FILE, Source
from scantune.records import ReadError

_KIND = re.compile(r"(?P<start>.*[^A-Za-z0-9/])(?P<kind>[A-Za-z][A-Za-z0-9]*|0\d{3})", re.S)
_VOLUMES = {"nifti", "gzip", "nrrd", "metaimage"}
_SHARE = 0.5  # of the rows beside whose file one of another kind must be
_MOST = 0.95  # of the rows that must have it for it to be a channel
_FEWEST = 4  # files of one kind
_KINDS = 12
_LOOKED = 5  # samples whose grids are compared


def with_kinds(source: Source, template: str, listing: Listing) -> Source:
    """The source with volumes of one grid as channels, of several grids those of the finest, and a note of the kinds.

    Args:
        source: rows with a file each.
        template: that led to the files, "" for none: of one that ends with the kind (``{id}_flair.nii.gz``).
        listing: the files.
    """
    own = [_apart(file) for file in source.files]
    start, kind, ending = _apart(template)
    if (
        not kind
        or source.channels
        or source.masks
        or len(own) < _FEWEST
        or any(one[1:] != (kind, ending) for one in own)
    ):
        return source
    files = _kinds({one[0] for one in own}, ending, listing)
    kinds = {k: [found.get(one[0], "") for one in own] for k, found in files.items()}
    kinds = {k: found for k, found in kinds.items() if sum(map(bool, found)) >= _SHARE * len(own)}
    if not 2 <= len(kinds) <= _KINDS:
        return source
    listed = ", ".join(f"{k!r} {sum(map(bool, found))}" for k, found in kinds.items())
    whole = [k for k, found in kinds.items() if sum(map(bool, found)) >= _MOST * len(own)]
    some = [[kinds[k][int(i)] for k in whole] for i in spread([str(i) for i in range(len(own))], _LOOKED)]
    volumes = {io.kind_of(listing.root / file) for own in some for file in own if file} <= _VOLUMES
    if volumes and len(whole) > 1 and all(all(own) and one_grid(listing.root, own) for own in some):
        left = "".join(f"; {k!r} is not used, which samples lack" for k in kinds if k not in whole)
        note = f"files of several kinds are channels of one sample: {listed}: they must show one position{left}"
        return _with_channels(source, {k: kinds[k] for k in whole}, (start, kind, ending), note)
    best = _fitting(listing, whole, some, own[0][0]) if volumes else ""
    best, how = (best, ", on the grid of the masks,") if best else (kind, "")
    if volumes and not how:
        best, how = _finest(listing, whole, some, kind), ", of the finest grid,"
    found = source
    if best != kind:  # of a table that is written the cells, else the template
        kept = [i for i, file in enumerate(kinds[best]) if file]
        found = replace(source.some(kept), files=[kinds[best][i] for i in kept])
        if source.table is None:
            found = found.rewritten({FILE: found.files})
        else:
            found = replace(found, template=f"{start}{best}{ending}", notes=source.notes)
    told = "volumes listed in `files` become channels on the grid of the first" if volumes else "`files` names another"
    note = f"rows have files of several kinds: {best!r}{how} is taken of {listed}; {told}"
    return replace(found, notes=[*source.notes, note])


def _apart(name: str) -> tuple[str, str, str]:
    """What stands before the last word of a file's name, this word, and the ending; "" for a word of no kind."""
    folder, _, base = name.rpartition("/")
    bare = ENDING.sub("", base)
    match = _KIND.fullmatch(bare)
    if not match:
        return name, "", ""
    return f"{folder}/{match['start']}" if folder else match["start"], match["kind"], base[len(bare) :]


def _kinds(starts: set[str], ending: str, listing: Listing) -> dict[str, dict[str, str]]:
    """Kind to what stands before it and the file, of files that are no masks."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for name in listing.names:
        start, kind, own = _apart(name)
        if kind and start in starts and own == ending and not mask_rank(name.rpartition("/")[2]):
            found[kind][start] = name
    return found


def _with_channels(
    source: Source, kinds: Mapping[str, Sequence[str]], template: tuple[str, str, str], note: str
) -> Source:
    """Rows with a file of each kind: by templates, or in columns of the table that is written."""
    start, first, ending = template
    kept = [i for i in range(len(source.files)) if all(files[i] for files in kinds.values())]
    result = replace(source.some(kept), notes=[*source.notes, note])
    others = [kind for kind in kinds if kind != first]
    if source.table is not None:
        return replace(result, channels=[f"{start}{kind}{ending}" for kind in others])
    columns = {f"file_{kind}": [kinds[kind][i] for i in kept] for kind in others}
    return replace(result.rewritten(columns), channels=[f"{{{column}}}" for column in columns])


def _fitting(listing: Listing, kinds: Sequence[str], samples: Sequence[Sequence[str]], start: str) -> str:
    """The kind on whose grid the first sample's mask is; "" where none has a mask, or all kinds are on one grid."""
    base = re.sub(r"[^A-Za-z0-9]+$", "", start.rpartition("/")[2])
    drawn = (name for name in listing.names if mask_rank(name) > 1 and stem(name).startswith(base.lower()))
    mask = next((name for name in drawn if io.kind_of(listing.root / name) in _VOLUMES), "")
    fitting = [
        kind for kind, file in zip(kinds, samples[0], strict=True) if mask and one_grid(listing.root, [file, mask])
    ]
    return fitting[0] if 0 < len(fitting) < len(kinds) else ""


def _finest(listing: Listing, kinds: Sequence[str], samples: Sequence[Sequence[str]], usual: str) -> str:
    """The kind whose volumes have the most voxels; the usual one where they cannot be read."""
    try:
        sizes = {kind: [_voxels(listing, own[k]) for own in samples if own[k]] for k, kind in enumerate(kinds)}
    except ReadError:
        return usual
    means = {kind: sum(own) / len(own) for kind, own in sizes.items() if own}
    return max(means, key=lambda kind: (means[kind], kind == usual), default=usual)


def _voxels(listing: Listing, name: str) -> int:
    count = 1
    for length in io.read_extent(listing.root / name).shape:
        count *= int(length)
    return count
