"""Masks of instances: several files an image, one for each cell or lesion, or one file that numbers them."""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from scantune import io
from scantune.amounts import number_of
from scantune.proposal.listing import stem
from scantune.records import ReadError

_FEWEST = 4  # images
_SEVERAL = 0.1  # share of the images that must have several masks in a folder of their own
_OWN = 0.9  # share of the names of masks that stand with one image alone
_LOOKED = 6  # images whose masks are compared
_OVERLAP = 0.1  # share of the smaller of two masks that the other one covers, at most
_MANY = 8  # labels of a mask from which on they can be instances without a doubt
_EVEN = 0.8  # share of neighbours of one value within an instance, at least
_CLASSES, _OBJECTS = "SegmentationClass", "SegmentationObject"  # folders of Pascal VOC
_COMPLETE = 0.7  # share of the numbers up to the highest one that a mask has, at least


def of_folders(images: Sequence[str], masks: Sequence[str]) -> dict[str, list[str]]:
    """Image to its masks where each image has folders of its own: ``ID/images/ID.png``, ``ID/masks/*.png``.

    Empty where few images have several, or where names of masks recur as those of structures do.
    """
    alone: dict[str, list[str]] = defaultdict(list)
    for image in images:
        alone[_above(image)].append(image)
    own: dict[str, list[str]] = defaultdict(list)
    for mask in masks:
        if len(alone[_above(mask)]) == 1:
            own[alone[_above(mask)][0]].append(mask)
    several = sum(len(files) > 1 for files in own.values())
    stems = Counter(stem(mask) for files in own.values() for mask in files)
    unlike = sum(n == 1 for n in stems.values()) >= _OWN * len(stems)
    if len(own) < _FEWEST or several < _SEVERAL * len(own) or not (unlike or _numbered(stems)):
        return {}
    return {image: sorted(files) for image, files in own.items()}


def _above(name: str) -> str:
    """The folder above a file's own."""
    return os.path.dirname(os.path.dirname(name)) or name


def _numbered(names: Iterable[str]) -> bool:
    """Whether names differ in a number alone."""
    return len({re.sub(r"\d+", "", name) for name in names}) == 1


def of_numbers(root: Path, masks: Mapping[str, Mapping[tuple[str, tuple[str, ...]], str]]) -> dict[str, list[str]]:
    """Image to its masks where some have several, told apart by a number, that hardly overlap; else empty.

    Args:
        root: folder of the files.
        masks: image → folder and last words of the name → mask.
    """
    words = {word for own in masks.values() for _, last in own for word in last}
    several = [sorted(own.values()) for own in masks.values() if len(own) > 1]
    one_folder = all(len({folder for folder, _ in own}) == 1 for own in masks.values())
    if not several or not one_folder or not all(word.isdecimal() for word in words) or not apart(root, several):
        return {}
    return {image: sorted(own.values()) for image, own in masks.items()}


def apart(root: Path, masks: Sequence[Sequence[str]]) -> bool:
    """Whether the masks of an image hardly overlap: structures or instances, not two readings of one.

    Args:
        root: folder of the files.
        masks: of each image, two or more.
    """
    shares = []
    for own in masks[:: max(1, len(masks) // _LOOKED)]:
        try:
            read = [
                io.read(root / path, labels=True, allow_constant=True, keep_integers=True) for path in own[:_LOOKED]
            ]
        except ReadError:
            return False
        drawn = [np.asarray(content.array) > 0 for content in read if not isinstance(content, io.Video)]
        for one, other in itertools.combinations(drawn, 2):
            smaller = min(one.sum(), other.sum())
            if one.shape == other.shape and smaller:
                shares.append(float((one & other).sum() / smaller))
    return bool(shares) and max(shares) < _OVERLAP


def beginnings(masks: Mapping[str, Sequence[str]], names: Sequence[str]) -> dict[str, str]:
    """Image to what the paths of its masks, and of no other file, begin with; images without such a text are omitted.

    Args:
        masks: image → its masks.
        names: all files.
    """
    in_order = sorted(names)
    found: dict[str, str] = {}
    for image, own in masks.items():
        alike = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*own, strict=False))
        for start in (f"{os.path.dirname(own[0])}/", "".join(letters[0] for letters in alike)):
            same = [n for n in _from(in_order, start) if "/" not in n[len(start) :]]
            if "/" not in start[len(os.path.dirname(own[0])) + 1 :] and same == sorted(own):
                found[image] = start
                break
    return found


def _from(names: Sequence[str], start: str) -> Iterable[str]:
    import bisect

    begin = bisect.bisect_left(names, start)
    return itertools.takewhile(lambda name: name.startswith(start), names[begin:])


def numbers_instances(arrays: Sequence[np.ndarray]) -> bool | None:
    """Whether the values of masks number instances, 1 to n with n of each image; None where classes may be as well.

    Args:
        arrays: masks, 0 the background.
    """
    highest = []
    for array in arrays:
        values = np.unique(array)
        labels = values[values > 0]
        if not labels.size:
            continue
        if len(labels) < _COMPLETE * labels.max() or (values != np.rint(values)).any():
            return False
        inside = (array[..., 1:] > 0) & (array[..., :-1] > 0)
        even = (array[..., 1:] == array[..., :-1])[inside]
        if even.size and even.mean() < _EVEN:
            return False
        highest.append(int(labels.max()))
    if len(set(highest)) < min(3, len(arrays)) or max(highest, default=0) < 3:
        return False
    return True if max(highest) > _MANY else None


def one_of_each(
    masks: Sequence[str], images: Sequence[str], keys: Sequence[Sequence[str]]
) -> tuple[list[int], list[str]]:
    """Places of the pictures that are left where several share a mask, and a note: the one of the shortest name each.

    Args:
        masks: of each picture.
        images: the pictures.
        keys: words of their names.
    """
    nearest = dict(zip(masks, range(len(masks)), strict=True))
    for i, mask in enumerate(masks):
        nearest[mask] = min(nearest[mask], i, key=lambda k: (len(keys[k]), images[k]))
    kept = sorted(nearest.values())
    left = sorted({*images} - {images[i] for i in kept}) if masks else []
    some = ", ".join(left[:2])
    note = f"{number_of(len(left), 'picture')} beside others of the same mask not used, such as {some}"
    return kept, [note] if left else []


def without_objects(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Files without those that number the objects of masks beside them, and a note of these.

    ``SegmentationObject`` beside ``SegmentationClass`` is of Pascal VOC, which CVAT and others export.
    """
    folders = {name.rpartition("/")[0] for name in names}
    objects = {f for f in folders if f.endswith(_OBJECTS) and f.removesuffix(_OBJECTS) + _CLASSES in folders}
    kept = [name for name in names if name.rpartition("/")[0] not in objects]
    words = f"those in {', '.join(sorted(objects))} number the objects of the masks in {_CLASSES} and are not used"
    return kept, [words] if objects else []
