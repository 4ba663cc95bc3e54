"""Files of several kinds beside each other, of which the rows of a table lead to one: FLAIR, T1, T2; CT, PET."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from scantune import io
from scantune.amounts import number_of
from scantune.proposal.listing import ENDING, Listing, mask_rank, spread, stem
from scantune.proposal.pairing import few_values
from scantune.proposal.readings import one_grid
from scantune.proposal.sides import side_of
from scantune.proposal.source import FILE, Source
from scantune.records import ReadError

_KIND = re.compile(r"(?P<start>.*[^A-Za-z0-9]|)(?P<kind>[A-Za-z][A-Za-z0-9]*|0\d{3})", re.S)
_SAMPLES = re.compile(
    r"left|right|[lr]|o[sd]|baseline|follow[ _-]?up|(fu|visit|v|tp|m|y|year|scan|run)\d+|visit|rescan|retest|"
    r"(aug|flip|rot|copy)[a-z0-9]*",
    re.I,
)  # words of samples of their own: sides of the body, visits, altered copies
_VOLUMES = {"nifti", "gzip", "nrrd", "metaimage"}
_SHARE = 0.5  # of the rows beside whose file one of another kind must be
_MOST = 0.95  # of the rows that must have it for it to be a channel
_FEWEST = 4  # files of one kind
_KINDS = 12
_LOOKED = 5  # samples whose grids are compared

Kind = tuple[str, str]


class _Name(NamedTuple):
    """A path, or template of paths, in parts: ``above/folder/start``, the word of the kind, and the ending."""

    above: str
    folder: str
    start: str
    kind: str
    ending: str

    def of(self, kind: Kind) -> str:
        """The same with another folder and word."""
        folders = [part for part in (self.above, kind[0]) if part]
        return "/".join([*folders, f"{self.start}{kind[1]}{self.ending}"])


def with_kinds(source: Source, template: str, listing: Listing) -> Source:
    """The source with volumes of one grid as channels, of several grids those of one, and a note of the kinds.

    Files of few values, as masks have, and those of visits, sides and altered copies are no channels.

    Args:
        source: rows with a file each.
        template: that led to the files, "" for none: of one that ends with the kind (``{id}_flair.nii.gz``,
            ``{id}/flair.nii.gz``).
        listing: the files.
    """
    own = [_apart(file) for file in source.files]
    part = _apart(template)
    usual = (part.folder, part.kind) if "{" not in part.folder else ("", part.kind)
    same = all((one.kind, one.ending) == (part.kind, part.ending) for one in own)
    if not part.kind or source.channels or source.masks or len(own) < _FEWEST or not same:
        return source
    files = _kinds(own, listing, apart=bool(usual[0]))
    kinds = {kind: found for kind, found in files.items() if sum(map(bool, found)) >= _SHARE * len(own)}
    if not 2 <= len(kinds) <= _KINDS or usual not in kinds:
        return source
    shown = {kind: kind[1] if kind[0] == usual[0] else "/".join(kind) for kind in kinds}
    listed = ", ".join(f"{shown[kind]!r} {sum(map(bool, found))}" for kind, found in kinds.items())
    looked = (file for found in kinds.values() for file in _some(found) if file)
    volumes = {io.kind_of(listing.root / file) for file in looked} <= _VOLUMES
    drawn = [kind for kind, found in kinds.items() if volumes and few_values(listing.root, [f for f in found if f])]
    whole = [kind for kind, found in kinds.items() if sum(map(bool, found)) >= _MOST * len(own)]
    whole = [kind for kind in whole if kind not in drawn and not _alone(kind, kinds)]
    some = {kind: _some(kinds[kind]) for kind in whole}
    few = f"; {', '.join(shown[kind] for kind in drawn)} of few values, as masks have, are not used" if drawn else ""
    if not volumes or not whole or whole == [usual]:
        taken = f"rows have files of several kinds: {shown[usual]!r} is taken of {listed}"
        return _noted(source, f"{taken}; `files` names another{few}")
    usual = usual if usual in whole else whole[0]
    fitting = [kind for kind in whole if _one_grid(listing, some[kind], some[usual])]
    best, how = _best(listing, some, own[0].start, usual, fitting)
    fitting = [kind for kind in whole if _one_grid(listing, some[kind], some[best])]
    left = [kind for kind in kinds if kind not in fitting and kind not in drawn]
    result = _of_kind(source, part, kinds, best, [kind for kind in fitting if kind != best])
    by = f", {how}," if how else ""
    if len(fitting) == 1:
        note = f"rows have files of several kinds: {shown[best]!r}{by} is taken of {listed}"
    else:
        chosen = f"{', '.join(shown[kind] for kind in fitting)}{by} of " if left or drawn else ""
        note = f"files of several kinds are channels of one sample: {chosen}{listed}: they must show one position"
    more = "; volumes listed in `files` become channels on the grid of the first" if left else ""
    lost = len(own) - len(result.files)
    more += f"; {number_of(lost, 'row')} without a file of each left out" if lost else ""
    return _noted(result, note + more + few)


def _some(files: Sequence[str]) -> list[str]:
    """Files of some rows, "" of those without one."""
    return [files[int(i)] for i in spread([str(i) for i in range(len(files))], _LOOKED)]


def _alone(kind: Kind, kinds: Mapping[Kind, Sequence[str]]) -> bool:
    """Whether files of a kind are samples of their own: of a visit or side, or numbered otherwise than from 0 on."""
    return bool(_SAMPLES.fullmatch(kind[1])) or (kind[1].isdecimal() and (kind[0], "0000") not in kinds)


def _noted(source: Source, note: str) -> Source:
    return replace(source, notes=[*source.notes, note])


def _apart(name: str) -> _Name:
    """A path in parts; without a kind where its name does not end with a word."""
    folders, _, base = name.rpartition("/")
    above, _, folder = folders.rpartition("/")
    bare = ENDING.sub("", base)
    match = _KIND.fullmatch(bare)
    if not match or not (match["start"] or folder):
        return _Name(above, folder, bare, "", base[len(bare) :])
    return _Name(above, folder, match["start"], match["kind"], base[len(bare) :])


def _kinds(own: Sequence[_Name], listing: Listing, apart: bool) -> dict[Kind, list[str]]:
    """Kind to the file of each row, "" for none, of files that are no masks.

    Args:
        own: files of the rows.
        listing: all files.
        apart: a kind is known by the folder too, and others may be in folders beside it.
    """
    found: dict[Kind, dict[tuple[str, ...], str]] = defaultdict(dict)
    keys = [(one.above, one.start) if apart else (one.above, one.folder, one.start) for one in own]
    wanted, folders = set(keys), {one.folder for one in own}
    for name in listing.names:
        one = _apart(name)
        key = (one.above, one.start) if apart else (one.above, one.folder, one.start)
        beside = (
            apart and one.folder not in folders and (not re.search(r"[A-Za-z0-9]", one.start) or side_of(one.folder))
        )
        if one.kind and key in wanted and one.ending == own[0].ending and not beside and not mask_rank(name):
            found[one.folder if apart else "", one.kind][key] = name
    return {kind: [files.get(key, "") for key in keys] for kind, files in found.items()}


def _of_kind(
    source: Source, part: _Name, kinds: Mapping[Kind, Sequence[str]], best: Kind, others: Sequence[Kind]
) -> Source:
    """Rows with the files of a kind, and others as channels: by templates, or in columns of a table to be written."""
    kept = [i for i in range(len(source.files)) if all(kinds[kind][i] for kind in (best, *others))]
    result = replace(source.some(kept), files=[kinds[best][i] for i in kept])
    if source.table is not None:
        own = part.folder if "{" in part.folder else ""
        templates = [part.of((kind[0] or own, kind[1])) if own else part.of(kind) for kind in (best, *others)]
        return replace(result, template=templates[0], channels=templates[1:])
    columns = {f"file_{kind[1]}": [kinds[kind][i] for i in kept] for kind in others}
    return replace(result.rewritten({FILE: result.files, **columns}), channels=[f"{{{column}}}" for column in columns])


def _best(
    listing: Listing, some: Mapping[Kind, Sequence[str]], start: str, usual: Kind, fitting: Sequence[Kind]
) -> tuple[Kind, str]:
    """The kind on whose grid the masks are, else the usual one where all have its grid, else that of most voxels."""
    if len(fitting) == len(some):
        return usual, ""
    base = re.sub(r"[^A-Za-z0-9]+$", "", start).lower()
    drawn = (name for name in listing.names if base and mask_rank(name) > 1 and stem(name).startswith(base))
    mask = next((name for name in drawn if io.kind_of(listing.root / name) in _VOLUMES), "")
    if mask and (on_mask := [kind for kind, found in some.items() if _one_grid(listing, found[:1], [mask])]):
        return usual if usual in on_mask else on_mask[0], "on the grid of the masks"
    try:
        sizes = {kind: sum(_voxels(listing, file) for file in found if file) for kind, found in some.items()}
    except ReadError:
        return usual, "the first by its name"
    return max(sizes, key=lambda kind: (sizes[kind], kind == usual)), "of the most voxels"


def _one_grid(listing: Listing, files: Sequence[str], others: Sequence[str]) -> bool:
    """Whether the volumes of two kinds are on one grid in each sample."""
    return all(a == b or (a and b and one_grid(listing.root, [a, b])) for a, b in zip(files, others, strict=True))


def _voxels(listing: Listing, name: str) -> int:
    count = 1
    for length in io.read_extent(listing.root / name).shape:
        count *= int(length)
    return count
