"""Several masks of an image: what several readers drew of one structure, or a structure each."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from scantune import io
from scantune.mask_codes import MOST_OVERLAPPING
from scantune.records import ReadError

Kind = Literal["readers", "apart", "overlapping"]
_LOOKED = 6  # images whose masks are compared
_AGREED = 0.5  # median Dice coefficient of two readings of one structure, at least
_READER = re.compile(
    r"reader|rater|observer|annotator|radiologist|expert|grader|doctor|physician|manual|consensus|staple|befunder|"
    r"1st|2nd|3rd|first|second|third", re.I
)  # fmt: skip
_STRUCTURE = re.compile(
    r"liver|spleen|kidney|renal|pancrea|stomach|oesophag|esophag|bladder|colon|bowel|rectum|duoden|lung|lobe|trachea|"
    r"airway|heart|atri(um|a)|ventric|myocard|cavity|aorta|vessel|arter|vein|vena|prostate|gland|zone|uter|ovar|cervix|"
    r"breast|fibroglandular|thyroid|brain|hippocamp|thalam|caudate|putamen|cerebell|matter|csf|stem|bone|femur|femoral|"
    r"tibia|patella|vertebra|spine|spinal|cord|dis[ck]|ribs?$|cartilage|menisc|muscle|skin|fat$|tumou?r|gtv|ctv|ptv|"
    r"cancer|lesion|nodule|polyp|cyst|metasta|o?edema|necro|enhanc|core|infarct|stroke|ha?emorrhage|bleed|ha?ematoma|"
    r"plaque|calc|lumen|wall|optic|cup$|fovea|macula|exudate|aneurysm|drusen|retina|cell|nucle(us|i)|cytoplasm|"
    r"covid|consolidation|opacit|effusion|pneumothorax|organ|parotid|mandible|tooth|teeth|canal|pulp", re.I
)  # fmt: skip

_WORD = "masks?|labels?|annotations?|segmentations?|segs?|contours?|ground[_ -]?truth|gt"
_MASK_WORD = re.compile(rf"(?<![^\W_])(?:{_WORD})(?:tr|ts)?(?![^\W_])", re.I)
_JOINED = re.compile(r"(?<=[a-z0-9])(?:Masks?|Labels?|Annotations?|Segmentations?|Seg|GT)$")  # liverMasks
#: Columns of a table that is written, and the class that every mask has.
_TAKEN = frozenset(("file", "image", "mask", "region", "sample_id", "subject", "content", "split", "background"))


@dataclass
class Structures:
    """Masks of a structure each.

    Attributes:
        masks: name → masks of the images, of the structures that each image has; empty where that is one alone.
        overlapping: they share pixels.
        notes: what was noticed, and what is not used.
    """

    masks: dict[str, list[str]]
    overlapping: bool
    notes: list[str]


def structures(root: Path, masks: Mapping[str, Sequence[str]]) -> Structures | None:
    """Several masks of each image, as classes; None where they are readers' of one structure.

    Args:
        root: folder of the files.
        masks: name → masks of the same images, in one order; "" where an image has none.
    """
    kind = kind_of(root, masks)
    if kind == "readers":
        return None
    whole = {name: list(own) for name, own in masks.items() if all(own)}
    notes = [
        f"{sum(not mask for mask in own)} of {len(own)} images have no mask in {name!r}, which is a structure of its "
        "own and not used: where nothing was to be marked, add an empty mask"
        for name, own in masks.items()
        if name not in whole
    ]
    if len(whole) < 2:
        return Structures({}, False, [*notes, f"masks are those in {next(iter(whole), '')!r}"])
    overlapping = kind == "overlapping" and len(whole) <= MOST_OVERLAPPING
    classes = class_names(whole)
    notes.append(_told(", ".join(whole), kind, overlapping))
    return Structures({classes[name]: own for name, own in whole.items()}, overlapping, notes)


def class_names(names: Iterable[str]) -> dict[str, str]:
    """Names of folders or files of masks → structures: of ``train/liver_masks`` there is ``liver``.

    All stay as they are where two would be the same, or one a number alone, or that of another column or class.
    """
    plain = {name: _structure_of(name) for name in names}
    found = {name.casefold() for name in plain.values()}
    distinct = len(found) == len(plain) and not found & _TAKEN
    return plain if distinct and all(re.search(r"[^\W\d_]", name) for name in found) else {name: name for name in plain}


def _structure_of(name: str) -> str:
    """The last part of a path that is more than a word for masks, without it; the name itself where none is."""
    for part in reversed(name.split("/")):
        rest = _MASK_WORD.sub(" ", _JOINED.sub(" ", part))
        if words := re.findall(r"[^\s_.-]+", rest):
            return "_".join(words) if rest != part else part
    return name


def _told(listed: str, kind: Kind, overlapping: bool) -> str:
    if kind == "apart":
        return f"masks in {listed} do not overlap: each is a class of its own"
    if overlapping:
        return (
            f"masks in {listed} overlap and are taken for a structure each, not for readers of one: where they are "
            "readers', `masks` has one of them and `rater_masks` the others"
        )
    return (
        f"masks in {listed} are a structure each; samples in which they overlap are excluded, since of labels that "
        f"overlap there are at most {MOST_OVERLAPPING} (input key `mask_overlap`): keep as many in `masks`"
    )


def kind_of(root: Path, masks: Mapping[str, Sequence[str]]) -> Kind:
    """What several masks of each image are: by their names where these say it, else by how far they agree.

    Args:
        root: folder of the files.
        masks: name → masks of the same images, in one order; "" where an image has none.

    Returns:
        "readers" of one structure, structures that lie "apart", or structures of which some pixels are
        "overlapping". Masks that nothing tells about, since none can be compared, are readers'.
    """
    words = {name: {match[0].lower() for match in _STRUCTURE.finditer(name)} for name in masks}
    named = len(set(map(frozenset, words.values()))) == len(words) > 1
    read = not named and all(map(_READER.search, masks))
    compared = _compared(root, list(masks.values()))
    if read or not compared:
        return "readers"
    if not any(shared for shared, _ in compared):
        return "apart"
    alike = float(np.median([dice for _, dice in compared]))
    return "readers" if alike >= _AGREED and not named else "overlapping"


def _compared(root: Path, masks: Sequence[Sequence[str]]) -> list[tuple[int, float]]:
    """Shared pixels and Dice coefficient of each two masks of some images, of those in which something is marked."""
    found = []
    images = list(zip(*masks, strict=True))
    for own in images[:: max(1, len(images) // _LOOKED)]:
        marked = [array for path in own if path and (array := _marked(root / path)) is not None]
        for one, other in itertools.combinations(marked, 2):
            if one.shape == other.shape and one.any() and other.any():
                shared = int((one & other).sum())
                found.append((shared, 2 * shared / int(one.sum() + other.sum())))
    return found


def _marked(path: Path) -> np.ndarray | None:
    """Where a mask is not 0; None of one that cannot be read."""
    try:
        content = io.read(path, labels=True, allow_constant=True, keep_integers=True)
    except ReadError:
        return None
    return None if isinstance(content, io.Video) else np.asarray(content.array) > 0


def one_grid(root: Path, names: Sequence[str]) -> bool:
    """Whether volumes have one size and spacing."""
    try:
        extents = [io.read_extent(root / name) for name in names]
    except ReadError:
        return False
    return len({(tuple(e.shape), tuple(np.round(e.spacing or (), 3))) for e in extents}) == 1
