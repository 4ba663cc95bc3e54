"""Files of one sample: an image or its channels, its mask, other readers' masks, the field of view."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from scantune import io
from scantune.amounts import number_of
from scantune.cohort.folders import SIDES
from scantune.proposal import instances, readings, sides
from scantune.proposal.listing import mask_rank, spread, stem
from scantune.proposal.own_cells import side_of_body
from scantune.records import ReadError

Key = tuple[str, ...]
_NOISE = re.compile(
    r"(training|train|testing|test|validation|valid|val|images?|img|masks?|labels?|manual|annotations?|annot|"
    r"segmentations?|seg|ground_?truth|gt)(?![a-z])|(?<=labels)t[rs]|(?<=images)t[rs]", re.I
)  # fmt: skip
_FOLDER = re.compile(
    r"^(images?|imgs?|masks?|labels?|annotations?|input|original|gt|png|jpg|jpeg|dicom|nifti|data)(tr|ts)?$"
)
_CHANNEL = re.compile(r"000\d$|[a-z]")
_ROLES = 12  # words that tell files of one sample apart, at most
_SHARE = 0.5  # of the samples that must have a word for it to tell their files apart
_FEWEST = 4  # pairs of image and mask
_PER_IMAGE = 8  # masks that an image has at most, where there are too few pairs to know
_LEVELS = 4  # values of a mask that no name calls one
_VOLUMES = {"nifti", "gzip", "nrrd", "metaimage"}
_EXTRA = 0.25  # share of the masks that a reader has, at least


@dataclass
class Pairing:
    """Samples of a folder and what belongs to each.

    Attributes:
        images: of each sample its channels, one as a rule.
        channels: names of the channels where there are several.
        masks: of each sample; empty where samples have none.
        instances: samples have several masks, whose paths begin with the text in ``masks``: cells, lesions.
        structures: name → masks of each sample, where each structure has a file; the first are ``masks``.
        regions: fields of view of each sample; empty where there are none.
        readers: reader → the mask of each sample, "" where he drew none.
        keys: what the files of each sample have in common.
        notes: what is not used.
    """

    images: list[tuple[str, ...]]
    channels: list[str] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)
    instances: bool = False
    structures: dict[str, list[str]] = field(default_factory=dict)
    overlapping: bool = False  # the structures share pixels
    regions: list[str] = field(default_factory=list)
    readers: dict[str, list[str]] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def subset(self, places: Sequence[int]) -> Pairing:
        """Some samples."""
        return Pairing(
            [self.images[i] for i in places], self.channels,
            [self.masks[i] for i in places] if self.masks else [], self.instances,
            {name: [masks[i] for i in places] for name, masks in self.structures.items()}, self.overlapping,
            [self.regions[i] for i in places] if self.regions else [],
            {name: [masks[i] for i in places] for name, masks in self.readers.items()},
            [self.keys[i] for i in places], self.notes,
        )  # fmt: skip


def paired(root: Path, names: Sequence[str]) -> Pairing:
    """Samples of the images below a folder.

    Args:
        root: the folder.
        names: images below it, masks among them.
    """
    names, notes = instances.without_objects(names)
    common = os.path.commonpath([os.path.dirname(n) for n in names]) if names else ""
    short = {n: os.path.relpath(n, common) if common else n for n in names}
    ranks = {n: mask_rank(short[n]) for n in names}
    best = max(ranks.values(), default=0)
    apart = [] if best else _drawn_apart(root, names)
    ranks |= dict.fromkeys(apart, 2)
    keys = _keys(names, short, ranks)
    drawn = [n for n in names if ranks[n] == best] if best else apart or _drawn(root, names, keys)
    regions = [n for n in names if ranks[n] == 1] if best == 2 else []
    plain = [n for n in names if ranks[n] == 0 and n not in set(drawn)]
    pairing = (
        _of_instances(instances.of_folders(plain, drawn), names, plain, keys)
        or _with_masks(root, plain, drawn, keys)
        or _with_masks(root, plain, drawn, _without_constants(keys, plain, drawn))
    )
    if pairing is None and regions:
        pairing = _with_masks(root, plain, regions, keys)
        regions = []
    if pairing is None:
        few = len(drawn) > _PER_IMAGE * len(plain)  # then the word is one in names of images
        rest = list(names) if not best or (len(plain) < _FEWEST and few) else plain
        alone = Pairing([(n,) for n in rest], keys=[keys[n] for n in rest])
        if len(rest) < len(names):
            alone.notes.append(
                f"{number_of(len(names) - len(rest), 'file')} named as masks without an image of that name, not used "
                f"({', '.join(drawn[:2])}): if one is of several images, name it in a column of a table of the images"
            )
        return _channels(root, alone)
    pairing.notes += notes
    if regions:
        _add_regions(pairing, {keys[n]: n for n in regions})
    return _channels(root, pairing)


def _keys(names: Sequence[str], short: dict[str, str], ranks: dict[str, int]) -> dict[str, Key]:
    """What an image and its mask have in common: side of the split, the name without words for either, and as many
    of the folders above it as make names of images differ."""
    plain = [n for n in names if not ranks[n]] or list(names)
    for depth in range(5):
        keys = {n: _key(short[n], depth) for n in names}
        if len({keys[n] for n in plain}) == len(plain):
            break
    return keys


def _key(name: str, depth: int) -> Key:
    folders = name.split("/")[:-1]
    side = sides.of_path(name)
    above = [part.lower() for part in folders if not (sides.side_of(part) or _FOLDER.match(part.lower()))]
    above = [text for text in ("_".join(_tokens(_NOISE.sub("_", part))) for part in above) if text][
        -depth or len(above) :
    ]
    return (side, *above, *_tokens(_NOISE.sub("_", stem(name))))


def _tokens(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def _roles(keys: Iterable[Key], others: Iterable[Key] = ()) -> set[str]:
    """Last words that recur from sample to sample, two or more in most: flair, t1, seg; 0000 and 0001.

    Args:
        keys: of images.
        others: keys of masks, beside which one such word is enough.
    """
    lasts: dict[str, set[Key]] = defaultdict(set)
    whole = set(keys)
    for key in whole:
        if len(key) > 2 and _CHANNEL.search(key[-1]):
            lasts[key[-1]].add(key[:-1])
    prefixes = set().union(*lasts.values()) if lasts else set()
    common = {last for last, of in lasts.items() if len(of) >= max(_FEWEST, _SHARE * len(prefixes))}
    if not common or len(common) > _ROLES:
        return set()
    alone = whole | set(others)
    several = sum(sum(p in lasts[c] for c in common) + (p in alone) > 1 for p in prefixes)
    return common if several >= _SHARE * len(prefixes) else set()


def _drawn(root: Path, names: Sequence[str], keys: dict[str, Key]) -> list[str]:
    """Files that no name calls masks: of few values, beside an image of the same name but for a last word or folder."""
    whole = set(keys.values())
    families: dict[str, list[str]] = defaultdict(list)
    for name in names:
        key = keys[name]
        if len(key) > 2 and key[:-1] in whole:
            families[key[-1]].append(name)
    few = [family for family in families.values() if len(family) >= _FEWEST and few_values(root, family)]
    drawn = sorted({name for family in few for name in family})
    return drawn if len(drawn) < len(names) else []


def _drawn_apart(root: Path, names: Sequence[str]) -> list[str]:
    """Files of few values in folders whose names also stand in other folders, of more values."""
    alike = Counter(stem(name) for name in names)
    folders: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if alike[stem(name)] > 1 and "/" in name:
            folders[name.rpartition("/")[0]].append(name)
    if len(folders) > _ROLES:
        return []
    few = {folder for folder, own in folders.items() if len(own) >= _FEWEST and few_values(root, own)}
    return sorted(n for f in few for n in folders[f]) if 0 < len(few) < len(folders) else []


def _without_constants(keys: dict[str, Key], plain: Sequence[str], drawn: Sequence[str]) -> dict[str, Key]:
    """Keys without the words that all images, or all masks, have: ``volume-0`` and ``segmentation-0``."""
    shorter = dict(keys)
    for own in (plain, drawn):
        common = set.intersection(*(set(keys[n][1:]) for n in own)) if own else set()
        shorter |= {n: (keys[n][0], *(word for word in keys[n][1:] if word not in common)) for n in own}
    return shorter


def few_values(root: Path, names: Sequence[str]) -> bool:
    """Whether images, of which three are read, have few values, as masks have."""
    for name in spread(names, 3):
        try:
            content = io.read(root / name, labels=True, allow_constant=True, keep_integers=True)
        except ReadError:
            return False
        if isinstance(content, io.Video) or len(np.unique(content.array)) > _LEVELS:
            return False
    return True


def _with_masks(root: Path, plain: Sequence[str], drawn: Sequence[str], keys: dict[str, Key]) -> Pairing | None:
    """Images with the masks whose keys agree, or are longer or shorter by a word; None for too few pairs."""
    roles = _roles((keys[n] for n in plain), {keys[n] for n in drawn})
    images: dict[Key, list[str]] = defaultdict(list)
    for name in plain:
        images[keys[name]].append(name)
        if keys[name][-1:] and keys[name][-1] in roles:
            images[keys[name][:-1]].append(name)
    masks: dict[str, dict[tuple[str, Key], str]] = defaultdict(dict)
    used: set[str] = set()
    for mask in drawn:
        key = next((k for k in (keys[mask], keys[mask][:-1], keys[mask][:-2]) if k[1:] and k in images), None)
        if key is not None:
            folder = mask.rpartition("/")[0].rpartition("/")[2]
            used.add(mask)
            for image in images[key]:
                masks[image].setdefault((folder, keys[mask][len(key) :]), mask)
    pairs = [image for image in plain if image in masks]
    sides = {keys[image][0] for image in pairs}  # a test set without any masks is usual
    if len(pairs) < _FEWEST or len(pairs) * 2 < sum(keys[image][0] in sides for image in plain):
        return None
    several = _of_instances(instances.of_numbers(root, masks), [*plain, *drawn], plain, keys)
    return several or _chosen(root, plain, pairs, masks, keys, len(set(drawn) - used))


def _of_instances(
    masks: dict[str, list[str]], names: Sequence[str], plain: Sequence[str], keys: dict[str, Key]
) -> Pairing | None:
    """Images with the masks of their instances; None without any."""
    starts = instances.beginnings(masks, names)
    if len(starts) < _FEWEST or all(len(masks[image]) == 1 for image in starts):
        return None
    kept = sorted(starts)
    pairing = Pairing([(i,) for i in kept], masks=[starts[i] for i in kept], keys=[keys[i] for i in kept])
    pairing.instances = True
    files = sum(len(masks[image]) for image in kept)
    pairing.notes.append(f"{files} masks are of {len(kept)} images: each marks an instance, all are one class")
    left = [image for image in plain if image not in starts]
    if left:
        images = number_of(len(left), "image has", "images have")
        pairing.notes.append(f"{images} no masks alone: not in the table ({', '.join(left[:3])})")
    return pairing


def _chosen(
    root: Path,
    plain: Sequence[str], pairs: Sequence[str], masks: dict[str, dict[tuple[str, Key], str]], keys: dict[str, Key],
    unused: int,
) -> Pairing:  # fmt: skip
    """One mask an image; those of other readers beside; images of which one mask is a part are left out."""
    readers = {image: _reader_names(own, masks) for image, own in masks.items()}
    counts = Counter(reader for own in readers.values() for reader in own)
    first = min(counts, key=lambda reader: (-counts[reader] // max(1, len(pairs) // 10), reader))
    others = sorted(r for r, n in counts.items() if r != first and n >= _EXTRA * len(pairs))
    parts = [i for i in pairs if set(readers[i]) - {first, *others} or first not in readers[i]]
    kept = [i for i in pairs if i not in set(parts)]
    pairing = Pairing([(i,) for i in kept], masks=[readers[i][first] for i in kept], keys=[keys[i] for i in kept])
    alone = [image for image in plain if image not in masks]
    if alone:
        images = number_of(len(alone), "image has", "images have")
        pairing.notes.append(f"{images} no mask: not in the table ({', '.join(alone[:3])})")
    if unused:
        pairing.notes.append(f"{number_of(unused, 'mask has', 'masks have')} no image")
    if parts:
        pairing.notes.append(
            f"{number_of(len(parts), 'image has', 'images have')} several masks, of which one alone would be "
            f"wrong: not in the table ({', '.join(parts[:3])}): join their masks to one file"
        )
    several = {name: [readers[i].get(name, "") for i in kept] for name in (first, *others)}
    if others and (found := readings.structures(root, several)):
        pairing.structures, pairing.overlapping = found.masks, found.overlapping
        return replace(pairing, notes=[*pairing.notes, *found.notes])
    if others:
        pairing.notes.append(f"masks are those in {first!r}")
    for reader in others:
        cells = [readers[i].get(reader, "") for i in kept]
        if reader.lower() in SIDES or not any(cells):
            pairing.notes.append(f"those in {reader!r} are not used")
            continue
        pairing.readers[reader] = cells
        images = number_of(sum(map(bool, cells)), "image")
        pairing.notes.append(f"those in {reader!r} are another reader's, for {images}")
    return pairing


def _reader_names(own: dict[tuple[str, Key], str], masks: dict[str, dict[tuple[str, Key], str]]) -> dict[str, str]:
    """Name of each mask of an image: its folder where images have masks in several, else its last words."""
    folders = {folder for folder, _ in own}
    per_image = max(len({folder for folder, _ in every}) for every in masks.values())
    if per_image > 1 and len(folders) == len(own):
        return {folder: mask for (folder, _), mask in own.items()}
    return {"_".join(words): mask for (_, words), mask in own.items()}


def _add_regions(pairing: Pairing, regions: dict[Key, str]) -> None:
    if all(key in regions for key in pairing.keys):
        pairing.regions = [regions[key] for key in pairing.keys]
        pairing.notes.append(
            "files named mask beside the drawn structures are taken for fields of view, which metrics are limited to"
        )
    else:
        pairing.notes.append("files named mask beside the drawn structures do not match all images: they are not used")


def _channels(root: Path, pairing: Pairing) -> Pairing:
    """Volumes of one grid are channels of a sample, but not of two sides; of several grids one; one picture a mask."""
    names = [image for (image,) in pairing.images]
    if not names or {io.kind_of(root / n) for n in spread(names, 5)} - _VOLUMES:
        kept, notes = instances.one_of_each(pairing.masks, names, pairing.keys)
        return replace(pairing.subset(kept), notes=[*pairing.notes, *notes]) if notes else pairing
    if len(set(pairing.masks)) == len(names):  # each has a mask of its own
        return pairing
    roles = sorted(_roles(pairing.keys))
    places: dict[Key, dict[str, int]] = defaultdict(dict)
    for i, key in enumerate(pairing.keys):
        role = key[-1] if key[-1] in roles else ""
        places[key[:-1] if role else key][role] = i
    present = Counter(role for own in places.values() for role in own)
    usual = sorted(role for role, n in present.items() if n >= 0.9 * len(places))
    if (len(usual) == len(present) == 1 and not roles) or not usual or all(map(side_of_body, usual)):
        return pairing
    whole = [own for own in places.values() if set(usual) <= set(own)]
    sampled = whole[:: max(1, len(whole) // 5)]
    alike = all(readings.one_grid(root, [names[own[role]] for role in usual]) for own in sampled)
    chosen = usual if alike else usual[:1]
    result = pairing.subset([own[chosen[0]] for own in whole])
    result.images = [tuple(names[own[role]] for role in chosen) for own in whole]
    result.keys = [key for key, own in places.items() if set(usual) <= set(own)]
    result.channels = [role or "first" for role in chosen] if len(chosen) > 1 else []
    if result.channels:
        result.notes.append(f"{', '.join(result.channels)} of a sample are its channels: they must show one position")
    if left := [role for role in present if role not in chosen]:
        result.notes.append(f"{', '.join(sorted(left))} are not used: their grids differ, or samples lack them")
    if len(whole) < len(places):
        samples = number_of(len(places) - len(whole), "sample")
        result.notes.append(f"not used: {samples} without one of {', '.join(usual)}")
    return result
