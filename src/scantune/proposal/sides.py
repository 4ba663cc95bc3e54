"""Which partition the name of a folder, or of a table, says: ``train``, ``a. Training Set``, ``imagesTs``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from scantune.cohort.folders import SIDES

_ORDER = re.compile(r"^(\d{1,2}|[a-z])[.)]\s*", re.I)
_PLAIN = re.compile(
    r"sets?|data(sets?)?|images?|imgs?|scans?|files?|splits?|partition|folder|inputs?|labels?|masks?|gt|ground|truth|"
    r"groundtruth|annotations?|png|jpe?g|dicom|nifti|original", re.I
)  # fmt: skip
_NNUNET = {"tr": "train", "va": "validation", "ts": "test"}


def side_of(name: str) -> str:
    """The partition that a name says and that nothing else in it qualifies; "" for none.

    Args:
        name: of a folder or table without ending.
    """
    words = _words(name)
    if len(words) == 2 and words[0] in ("images", "labels") and words[1] in _NNUNET:
        return _NNUNET[words[1]]
    sides = {SIDES[word] for word in words if word in SIDES}
    alone = all(word in SIDES or _PLAIN.fullmatch(word) for word in words)
    return sides.pop() if alone and len(sides) == 1 else ""


def sides_of(names: Iterable[str]) -> dict[str, str]:
    """The partition of each name, but for the words that all have: ``hand-train``, ``hand-test``; empty for others.

    Args:
        names: of the folders of one level.
    """
    sides = {name: side_of(name) for name in set(names)}
    if all(sides.values()):
        return sides
    words = {name: _words(name) for name in sides}
    common = set.intersection(*map(set, words.values())) - set(SIDES) if len(words) > 1 else set()
    sides = {name: side_of(" ".join(word for word in own if word not in common)) for name, own in words.items()}
    return sides if all(sides.values()) else {}


def of_path(path: str) -> str:
    """The partition that a folder above a file says; "" for none."""
    return next((side for part in path.split("/")[:-1] if (side := side_of(part))), "")


def of_table(name: str, others: Iterable[str] = ()) -> str:
    """The partition that the name of a table says: ``IDRiD_Training Labels.csv``; "" for none, or several.

    Args:
        name: of the table. The word "test" beside words that are no partition's, as in ``blood test.csv``, counts
            where one of the other tables says another partition.
        others: names of tables.
    """
    sides = _named(name)
    doubtful = sides == {"test"} and not side_of(re.sub(r"\.\w+$", "", name.rpartition("/")[2]))
    unlike = any(_named(other) - sides for other in others)
    return sides.pop() if len(sides) == 1 and (unlike or not doubtful) else ""


def _named(name: str) -> set[str]:
    return {SIDES[word] for word in _words(name) if word in SIDES}


def bare(name: str) -> str:
    """A name without a number or letter of order before it: ``a. Images``."""
    return _ORDER.sub("", name.strip())


def _words(name: str) -> list[str]:
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", bare(name))
    return re.findall(r"[^\W\d_]+|\d+", apart.lower())
