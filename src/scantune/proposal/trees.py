"""What the folders above images are: partitions, classes, subjects, sites."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from scantune.cohort.folders import SIDES
from scantune.proposal.sides import side_of, sides_of

_KNOWN = re.compile(
    r"(?<![a-z])(normal|abnormal|benign|malignant|positive|negative|pos|neg|healthy|sick|ill|control|patient[s]?|case[s]?|"
    r"tumou?r|no[_ -]?tumou?r|covid([_ -]?19)?|non[_ -]?covid([_ -]?19)?|pneumonia|cancer|yes|no|"
    r"disease[d]?|grade[ _-]?\d|stage[ _-]?\d|class[ _-]?\d|birads[ _-]?\d|kl[ _-]?\d)(?![a-z])", re.I
)  # fmt: skip
_NUMBERED = re.compile(r"\d").search
_PLAIN = re.compile(
    r"^(images?|imgs?|masks?|labels?|png|jpg|jpeg|dicom|dcm|nifti|data|all|anat|input|original)(tr|ts)?$", re.I
)
_PART = re.compile(
    r"^(images?|imgs?|parts?|batch|set|data(set)?|folder|chunk|archive|dis[ck]|fold|site|cent(er|re)|hospital|scanner|"
    r"group|year|zip|(19|20)\d\d$|[a-z]+_(images|part|batch|chunk))", re.I
)  # fmt: skip
_OCCASION = re.compile(
    r"((ses|session|visit|time ?-?point|tp|day|week|month|year|baseline|follow[ _-]?up|scan|run|series|study|anat|func|"
    r"dwi|perf|fmap)[ _-]?\d*|(v|se|st)[ _-]?\d+)", re.I
)  # fmt: skip
_SIDE = re.compile(r"(left|right|l|r|od|os|eye_?[lr])", re.I)
_CLASSES = 20
_FILES = 3  # files of a class, on average and at least
_IDS = 6  # names of one pattern from which on they are subjects
_COMMON = 0.34  # share of the files in one subject's folder, at most


@dataclass
class Levels:
    """Folders of each file by what they are; empty lists where no folder is.

    Attributes:
        classes: class of each file.
        sides: train, validation or test of each file.
        subjects: subject of each file.
        subject_level: folders above that of the subjects.
        groups: name of a level → folder of each file.
        depth: folders above the level of the classes that are the same for all files.
        plain: the only folders are partitions and classes, classes directly below partitions.
    """

    classes: list[str] = field(default_factory=list)
    sides: list[str] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    subject_level: int = 0
    groups: dict[str, list[str]] = field(default_factory=dict)
    depth: int = 0
    plain: bool = False


def levels_of(names: Sequence[str]) -> Levels:
    """The levels of folders above files.

    Args:
        names: paths with ``/`` of the samples.
    """
    folders = [name.split("/")[:-1] for name in names]
    height = min(map(len, folders), default=0)
    columns = [[parts[i] for parts in folders] for i in range(height)]
    found = Levels()
    varied = [i for i, cells in enumerate(columns) if len(set(cells)) > 1 and (
        not all(map(_PLAIN.match, cells)) or len(set(sides_of(cells).values())) > 1
    )]  # fmt: skip
    for i in varied:
        if not found.sides and (named := sides_of(columns[i])) and len(set(named.values())) > 1:
            found.sides = [named[c] for c in columns[i]]
            side = i
    rest = [i for i in varied if not (found.sides and i == side)]
    subjects = [i for i in rest if _ids(columns[i])]
    other = [i for i in rest if i in subjects or _all(_OCCASION, columns[i]) or (subjects and _all(_SIDE, columns[i]))]
    at = _class_level([i for i in rest if i not in other], columns)
    if at is not None:
        found.classes = _of_all_sides(_words(columns[at]), found.sides)
    left = [i for i in rest if i != at]
    nested = [i for i in left if at is not None and i > at and i not in subjects and _nested(columns, i, at)]
    people = [i for i in left if i in subjects] or nested
    if people:
        found.subjects, found.subject_level = columns[people[0]], people[0]
    for i in left:
        if i not in people and at is not None:
            found.groups["site" if i < at and len(left) == 1 else f"level_{i + 1}"] = columns[i]
    first = min([*varied, at if at is not None else height], default=0)
    found.depth = first
    expected = first + bool(found.sides)
    usual = not found.sides or {c.lower() for c in columns[side]} <= set(SIDES)
    found.plain = (
        usual and at is not None and at == expected and not left and max(map(len, folders)) == height == at + 1
    )
    return found


def _all(pattern: re.Pattern[str], cells: Sequence[str]) -> bool:
    return all(pattern.fullmatch(name) for name in set(cells))


def _ids(cells: Sequence[str]) -> bool:
    """Whether names are those of subjects: of one pattern but for numbers, many, none with a large share."""
    counts = Counter(cells)
    if all(_PART.search(name) for name in counts):
        return False
    patterns = {re.sub(r"\d+", "#", name.lower()) for name in counts}
    digits = all(re.search(r"\d", name) for name in counts)
    alike = digits and len(patterns) <= max(1, len(counts) // 4)
    grades = all(re.fullmatch(r"\d|grade.*|stage.*|class.*|kl.*|birads.*", name.lower()) for name in counts)
    many = len(counts) >= _IDS and alike and not grades
    return (many and max(counts.values()) <= _COMMON * len(cells)) or len(counts) > _CLASSES


def _of_all_sides(classes: Sequence[str], sides: Sequence[str]) -> list[str]:
    """Names of classes, the shorter one where a partition has it and another one has it with more words behind."""
    names = {side: {c for c, s in zip(classes, sides, strict=False) if s == side} for side in set(sides)}
    shorter: dict[str, str] = {}
    for name in set(classes):
        starts = [other for other in set(classes) if re.match(re.escape(other) + r"[^A-Za-z0-9]", name)]
        apart = [other for other in starts if not any(name in own and other in own for own in names.values())]
        if names and len(apart) == 1:
            shorter[name] = apart[0]
    return [shorter.get(name, name) for name in classes]


def _words(cells: Sequence[str]) -> list[str]:
    """Names of classes; of names such as ``study1_positive`` the known word alone."""
    words = [match[0].lower() if (match := _KNOWN.search(name)) else "" for name in cells]
    numbered = any(re.search(r"\d", name) for name in cells)
    return (
        words
        if numbered and "" not in words and len(set(words)) > 1 and not any(map(_NUMBERED, words))
        else list(cells)
    )


def _known(cells: Sequence[str]) -> bool:
    names = set(cells)
    return sum(bool(_KNOWN.search(name)) for name in names) * 2 >= len(names)


def _class_level(levels: Sequence[int], columns: Sequence[Sequence[str]]) -> int | None:
    """The level of classes: of known words; else the lowest that recurs below other folders; else the highest."""
    levels = [i for i in levels if 2 <= len(set(columns[i])) <= min(_CLASSES, len(columns[i]) // _FILES)]
    levels = [i for i in levels if not all(re.fullmatch(r"[\d._-]{2,}", name) for name in set(columns[i]))]
    known = [i for i in levels if _known(columns[i])]
    if known:
        return known[-1]
    recurring = [i for i in levels if any(j < i for j in range(len(columns))) and _recurs(columns, i)]
    words = [i for i in recurring if not all(re.search(r"\d", name) for name in set(columns[i])) or _digits(columns[i])]
    return next(iter([*words[-1:], *recurring[-1:], *levels[:1]]), None)


def _digits(cells: Sequence[str]) -> bool:
    return all(re.fullmatch(r"\d", name) for name in set(cells))


def _recurs(columns: Sequence[Sequence[str]], i: int) -> bool:
    """Whether most names of a level stand below several folders of another level that is no partition."""
    above: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for row in zip(*columns[: i + 1], strict=True):
        above[row[-1]].add(tuple(part for part in row[:-1] if not side_of(part)))
    return sum(len(parents) > 1 for parents in above.values()) * 2 > len(above)


def _nested(columns: Sequence[Sequence[str]], i: int, at: int) -> bool:
    """Whether each name of a level is below one class alone, as subjects are."""
    classes: dict[str, set[str]] = defaultdict(set)
    for name, label in zip(columns[i], columns[at], strict=True):
        classes[name].add(label)
    return all(len(of) == 1 for of in classes.values()) and len(classes) > len(set(columns[at]))
