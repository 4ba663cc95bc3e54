"""Whose picture a file is, by its name: what names of one person have in common."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from scantune.proposal.trees import levels_of

_PERSON = r"(?:patient|person|subject|subj|participant|case|pat|pid|sub)[ _-]?[0-9]+"
_LETTERED = re.compile(r"^(.*\d)([A-Za-z]?)$")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_SIDE = r"(?:left|right|l|r|od|os)"
_SHARE = 0.7  # prefixes by file, at most
_LARGEST = 0.34  # share of the files of one prefix, at most
_FEWEST = 6  # prefixes


class Match(NamedTuple):
    """A regular expression for the subject in a file's name, and what it follows from."""

    pattern: str
    reason: str


def subject_pattern(names: Sequence[str]) -> Match | None:
    """What in the names of files says the subject; None where nothing does.

    Args:
        names: of files, with folders and endings as they are searched.
    """
    texts = [str(name) for name in names]
    persons = [re.search(_PERSON, text, re.I) for text in texts]
    found = [m.group().lower() for m in persons if m]
    if len(set(found)) >= 2 and len(found) * 2 > len(texts):
        all_of_them = len(found) == len(texts)
        word = re.match(r"[a-z]+", found[0]).group()  # type: ignore[union-attr]
        pattern = f"(?i){_PERSON}" if all_of_them else f"(?i){_PERSON}|^(?!.*{_PERSON}).+"
        alone = "" if all_of_them else "; other files are subjects of their own"
        return Match(pattern, f"names of files have {word} and a number, taken for the subject{alone}")
    if len(set(found)) < 2:
        return _of_folder(texts) or _of_sides(texts) or _of_prefix(texts)
    pattern = f"(?i){_PERSON}|^(?!.*{_PERSON}).+"
    return Match(pattern, "some names of files have a person's number; other files are subjects of their own")


def lettered(ids: Sequence[str]) -> Match | None:
    """What ids of one subject have in common where they end in letters that count: ``COVID-00003a``, ``COVID-00003b``.

    Args:
        ids: of each sample; where one recurs, it is the subject's, and so is its letter.
    """
    if len(set(ids)) < len(ids):
        return None
    letters: dict[str, list[str]] = defaultdict(list)
    for text in ids:
        match = re.fullmatch(_LETTERED, text)
        if not match:
            return None
        letters[match[1]].append(match[2].lower())
    several = {base: sorted(own) for base, own in letters.items() if len(own) > 1}
    counted = all("".join(own) in (_ALPHABET[: len(own)], _ALPHABET[1 : len(own)], _ALPHABET[: len(own) - 1])
                  for own in several.values())  # fmt: skip
    if not several or not counted or len({re.sub(r"\d+", "#", base) for base in letters}) > 1:
        return None
    first = [text for text in ids if re.fullmatch(_LETTERED, text)[1] == min(several)]  # type: ignore[index]
    return Match(_LETTERED.pattern, f"ids that differ in a last letter, such as {' and '.join(first[:2])}")


def _of_folder(texts: Sequence[str]) -> Match | None:
    """A folder for each subject."""
    levels = levels_of(texts)
    if not levels.subjects or len(set(levels.subjects)) == len(texts):
        return None
    pattern = rf"^(?:[^/]+/){{{levels.subject_level}}}[^/]+(?=/)"
    return Match(pattern, f"files in one folder, such as {levels.subjects[0]!r}, are taken for one subject's")


def _of_sides(texts: Sequence[str]) -> Match | None:
    """Left and right of one person."""
    names = [text.rpartition("/")[2] for text in texts]
    start = r"(?<=/)([^/]" if len(set(names)) == len(names) and all("/" in text for text in texts) else "^(."
    pattern = rf"(?i){start}*?[0-9a-z])(?:[ _-]+{_SIDE}|(?<=[0-9])(?:[lr]|od|os))(?=[ _.-]|$)"
    bases = [m.group(1).lower() if (m := re.search(pattern, text)) else "" for text in texts]
    counts = Counter(bases)
    if "" in counts or sum(n == 2 for n in counts.values()) * 2 < len(counts):
        return None
    return Match(pattern, "names of files that differ in left and right are taken for one subject's")


def _of_prefix(texts: Sequence[str]) -> Match | None:
    """The shortest beginning that several files share and that many differ in."""
    split = [
        re.split(r"([ _.\-]+)", re.sub(r"\.[A-Za-z][A-Za-z0-9.]*$", "", text.rpartition("/")[2])) for text in texts
    ]
    for parts in range(1, max(map(len, split), default=0) // 2 + 1):
        prefixes = ["".join(pieces[: 2 * parts - 1]) for pieces in split]
        counts = Counter(prefixes)
        numbered = all(re.search(r"\d", prefix) for prefix in prefixes)
        if not numbered or any(len(pieces) < 2 * parts + 1 for pieces in split):
            continue
        if _FEWEST <= len(counts) <= _SHARE * len(texts) and max(counts.values()) <= _LARGEST * len(texts):
            start = r"(?:^|(?<=/))" if any("/" in text for text in texts) else "^"
            pattern = start + r"[^ _.\-/]+" + r"(?:[ _.\-]+[^ _.\-/]+)" * (parts - 1) + r"(?=[ _.\-][^/]*$)"
            example = counts.most_common(1)[0][0]
            return Match(pattern, f"files whose names begin alike ({example}…) are taken for one subject's")
    return None
