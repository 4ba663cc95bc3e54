"""A folder without a table: class folders, images with masks, or images of which nothing more is known."""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from scantune import io
from scantune.amounts import number_of
from scantune.cohort.faults import CohortError
from scantune.cohort.folders import SIDES, load_folders
from scantune.cohort.ids import digest_id
from scantune.proposal.cleaning import plain_spelling
from scantune.proposal.columns import fewest
from scantune.proposal.listing import ENDING, Listing, spread, stem, without_content
from scantune.proposal.naming import subject_pattern
from scantune.proposal.pairing import Pairing, paired
from scantune.proposal.repeated import repeated
from scantune.proposal.sides import side_of
from scantune.proposal.source import FILE, MASK, REGION, SPLIT, Source
from scantune.proposal.trees import Levels, levels_of
from scantune.records import ScantuneError

_WORDS = 10  # classes that names of files state, at most
_BESIDE = 4  # files beside those of augmentation, from which on the latter are left out
_AUGMENTED = re.compile(r"(?:.*[ _-])?aug(?:ment(?:ed|ation)s?)?(?:[ _-].*)?", re.I)
_MONTH = re.compile(r"(?<![a-z])(jan|feb|mar|apr|jun|jul|sept?|oct|nov|dec)(?![a-z])", re.I)  # beside which aug is one
_SIDES_AND_VIEWS = re.compile(r"left|right|l|r|od|os|[rl]?(cc|mlo)|ap|pa|lat(eral)?|frontal|")
_HEADERS = 600  # of a folder, which say whether its files are slices
_ADVICE = {
    ".npz": ": scantune convert medmnist FILE --out FOLDER writes those of MedMNIST as pictures",
    ".npy": ": arrays state neither spacing nor window; write them as NIfTI or pictures",
    ".mat": ": write the arrays in them as NIfTI or pictures",
    **dict.fromkeys((".zip", ".tar", ".tgz", ".gz", ".7z", ".rar"), ": unpack them"),
}
LABEL, SUBJECT = "label", "subject"


def of_folder(root: Path, name: str, listing: Listing) -> Source:
    """Samples of a folder by its layout.

    Raises:
        ScantuneError: it contains no images.
    """
    names = images_of(listing)
    empty = without_content(listing, names)
    if not names:
        notes = "".join(f"; {note}" for note in [*([empty] if empty else []), *listing.notes()])
        raise ScantuneError(f"{root}: no images below it{_instead(root)}{notes}")
    made = _augmented(names)
    names = sorted(set(names) - made)
    beside = _beside_sides(names)
    names = sorted(set(names) - beside)
    bare = _beside_classes(names)
    source = _of_images(root, name, sorted(set(names) - bare))
    if made:
        source.notes.append(
            f"{number_of(len(made), 'file')} in folders of augmented images, not used "
            f"({', '.join(sorted(made)[:2])}): they are "
            "made from the others, of which some would be tested on; key `augment` makes them while training"
        )
    if beside:
        source.notes.append(
            f"{number_of(len(beside), 'file')} in folders beside those of partitions not used, which have the same "
            f"classes ({', '.join(sorted(beside)[:2])})"
        )
    if empty:
        source.notes.append(empty)
    if bare:
        source.notes.append(
            f"{number_of(len(bare), 'image has', 'images have')} no folder of a class below that of the "
            f"partition: not used "
            f"({', '.join(sorted(bare)[:3])})"
        )
    return source


def _instead(root: Path) -> str:
    """What files there are in place of images, and what becomes of them."""
    names = [name for _, _, files in itertools.islice(os.walk(root), 1000) for name in files]
    counts = Counter(Path(name).suffix.lower() or "no ending" for name in names)
    if not counts:
        return ", and no other file"
    listed = ", ".join(f"{ending} {n}" for ending, n in counts.most_common(5))
    advice = next((words for ending, words in _ADVICE.items() if ending in counts), "")
    return f", but files of these endings: {listed}{advice}"


def _augmented(names: Sequence[str]) -> set[str]:
    """Files in folders named after augmentation, where most others are not: ``train/aug/image_0_6144147.png``."""
    folders = {part for name in names for part in name.split("/")[:-1]}
    named = {part for part in folders if _AUGMENTED.fullmatch(part)}
    if any(_MONTH.search(part) for part in folders - named):
        return set()
    made = {name for name in names if named & set(name.split("/")[:-1])}
    return made if len(names) - len(made) >= _BESIDE else set()


def _beside_sides(names: Sequence[str]) -> set[str]:
    """Files in folders beside ``train`` and ``test`` with the same folders below, as ``auto_test`` of one set has."""
    parts = [name.split("/") for name in names]
    level = next((i for i in range(min(map(len, parts)) - 2) if len({own[i] for own in parts}) > 1), None)
    if level is None:
        return set()
    below: dict[str, set[str]] = defaultdict(set)
    for own in parts:
        below[own[level]].add(own[level + 1])
    sides = {folder: side for folder in below if (side := side_of(folder))}
    classes = set().union(*(below[folder] for folder in sides))
    others = [folder for folder in below if folder not in sides]
    if not {"train", "test"} <= set(sides.values()) or not all(below[folder] <= classes for folder in others):
        return set()
    return {name for name, own in zip(names, parts, strict=True) if own[level] in others}


def _beside_classes(names: Sequence[str]) -> set[str]:
    """Images directly in a partition's folder, such as ``test/1.png``, where others are in ``train/<class>/``."""
    parents = {name: name.split("/")[:-1] for name in names}
    bare = {name for name, above in parents.items() if above and above[-1].lower() in SIDES}
    deeper = [name for name in names if name not in bare]
    parted = any(part.lower() in SIDES for name in deeper for part in parents[name])
    return bare if bare and parted and levels_of(deeper).classes else set()


def _of_images(root: Path, name: str, names: Sequence[str]) -> Source:
    """Samples by the layout of the folders of some images."""
    pairing = paired(root, names)
    levels = levels_of([images[0] for images in pairing.images])
    if levels.plain and not pairing.masks and not pairing.channels:
        classes = _class_folders(root, name, names, levels)
        if classes:
            return classes
    source = of_pairing(name, root, pairing)
    _add_levels(source, levels, pairing)
    if set(source.columns) <= {FILE, "sample_id"}:
        _add_words(source)
    if set(source.columns) <= {FILE, "sample_id", SUBJECT, *pairing.channels} and not pairing.masks:
        source.notes.append(
            "no labels and no masks are known: add a column to the table that is written and run init on it"
        )
    return source


def images_of(listing: Listing) -> list[str]:
    """Images below the root; a folder of several DICOM slices is one."""
    by_folder: dict[str, list[str]] = defaultdict(list)
    for name in listing.names:
        by_folder[name.rpartition("/")[0]].append(name)
    samples: list[str] = []
    for folder, names in by_folder.items():
        by_ending: dict[str, list[str]] = defaultdict(list)
        for name in names:
            match = ENDING.search(name)
            by_ending[match[0].lower() if match else ""].append(name)
        kinds = {e: {io.kind_of(listing.root / n) for n in spread(own, 3)} for e, own in by_ending.items()}
        known = {ending: own for ending, own in kinds.items() if own != {"unknown"}}
        slices = set().union(*known.values()) <= {"dicom", "dicom without preamble"} if known else False
        if folder and slices and _are_slices(listing.root, [n for e in known for n in by_ending[e]]):
            samples.append(folder)
        else:
            samples += [n for ending in known for n in by_ending[ending]]
    return sorted(samples)


def _are_slices(root: Path, names: Sequence[str]) -> bool:
    """Whether DICOM files of a folder are slices of one series, or of several of one patient, and no images alone."""
    if len(names) < 3:
        return False
    some = _labels(root, spread(names, 12))
    if some and not any(label.slice for label in some):
        return False  # radiographs, loops, or files that are a volume each
    if len({label.series for label in some}) * 3 <= min(12, len(names)) + 2:
        return True
    more = _labels(root, spread(names, _HEADERS))
    several = len({label.series for label in more}) * 3 <= len(more)
    return several and len({label.patient for label in more}) == 1


def _labels(root: Path, names: Sequence[str]) -> list[io.SeriesLabel]:
    """What the headers of images say; of files without pixels, or that cannot be read, nothing."""
    labels = (io.read_series_label(root / name) for name in names)
    return [label for label in labels if label and label.image]


def of_pairing(name: str, root: Path, pairing: Pairing) -> Source:
    """A table to be written for images with what belongs to them."""
    columns = {FILE: [images[0] for images in pairing.images]}
    if pairing.channels:
        columns = {channel: [images[k] for images in pairing.images] for k, channel in enumerate(pairing.channels)}
    template = [f"{{{column}}}" for column in columns]
    files = next(iter(columns.values()))
    if pairing.structures:
        columns |= pairing.structures
    elif pairing.masks:
        columns[MASK] = pairing.masks
    if pairing.regions:
        columns[REGION] = pairing.regions
    columns |= pairing.readers
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    source = Source(name, root, list(columns), rows, files, template[0], channels=template[1:])
    source.masks = f"{{{MASK}}}" if pairing.masks and not pairing.structures else ""
    source.masks += "*" if pairing.instances else ""
    source.structures, source.overlapping = list(pairing.structures), pairing.overlapping
    source.region = f"{{{REGION}}}" if pairing.regions else ""
    source.rater_masks = {reader: f"{{{reader}}}" for reader in pairing.readers}
    source.notes += pairing.notes
    return source


def _class_folders(root: Path, name: str, names: Sequence[str], levels: Levels) -> Source | None:
    """The folder as a data set without a table, where every file below it is an image of a class."""
    above = "/".join(names[0].split("/")[: levels.depth])
    home = root / above if above else root
    bases = [n.rpartition("/")[2] for n in names]
    part = subject_pattern(bases)
    try:
        records = load_folders(home.absolute(), subject_from=part.pattern if part else None)
    except CohortError:
        return None
    files = [record.files[0].relative_to(home.absolute()).as_posix() for record in records]
    if len(files) != len(names):
        return None
    sides: dict[str, set[str | None]] = defaultdict(set)
    for record in records:
        sides[record.subject_id].add(record.split)
    several = sum(len(own) > 1 for own in sides.values())
    rows = [
        {LABEL: r.targets["label"], SPLIT: "" if several else r.split or "", SUBJECT: digest_id(r.subject_id)}
        for r in records
    ]
    people = Counter(label for label, _ in {(row[LABEL], row[SUBJECT]) for row in rows})
    if several or min(people.values()) < fewest(len(rows)) or len(set(map(plain_spelling, people))) < len(people):
        return None  # the table that is written joins spellings, and excludes classes of too few subjects
    if repeated(home.absolute(), files, [row[SUBJECT] for row in rows]):
        return None  # the table that is written leaves copies out
    source = Source(name, home, [LABEL, SPLIT, SUBJECT], rows, files, "", class_folders=True)
    if part:
        source.subject_from = part.pattern
        source.notes.append(f"{part.reason} (key `subject_from`)")
    return source


def _add_levels(source: Source, levels: Levels, pairing: Pairing) -> None:
    """Columns for what the folders say."""
    if levels.classes:
        counts = Counter(levels.classes)
        if pairing.masks:
            source.notes.append(
                f"folders {', '.join(sorted(counts)[:6])} are in the column {LABEL!r}: --target {LABEL} predicts them "
                "instead of the masks"
            )
        source.add_column(LABEL, [name.strip() for name in levels.classes])
    subjects = levels.subjects
    if not subjects:
        texts = ["_".join(key[1:]) if "/" not in file else file for file, key in zip(source.files, pairing.keys)]
        part = subject_pattern(texts)
        found = [re.search(part.pattern, text) for text in texts] if part else []
        if part and all(found):
            subjects = [m.group(1 if m.re.groups else 0).lower() for m in found if m]
            source.notes.append(f"{part.reason} (column {SUBJECT!r})")
    else:
        subjects, reason = _people(subjects)
        source.notes.append(f"{reason} (column {SUBJECT!r})")
    if subjects:
        source.add_column(SUBJECT, subjects)
    if levels.sides and not _parted(levels.sides, subjects):
        source.add_column(SPLIT, levels.sides)
    elif levels.sides:
        source.notes.append("subjects are in several folders of partitions, which are not used: partitions are drawn")
    for group, cells in levels.groups.items():
        source.add_column(group, cells)


def _people(folders: Sequence[str]) -> tuple[list[str], str]:
    """Whose each folder is, where several are of one person, such as ``OAS1_0001_MR1`` and ``OAS1_0001_MR2``."""
    part = subject_pattern(sorted(set(folders)))
    found = [re.search(part.pattern, folder) for folder in folders] if part else []
    people = [m.group(1 if m.re.groups else 0).lower() for m in found if m]
    if len(people) < len(folders) or len(set(people)) == len(set(folders)):
        return list(folders), f"folders such as {folders[0]!r} are taken for subjects"
    own: dict[str, set[str]] = defaultdict(set)
    for folder, person in zip(folders, people, strict=True):
        own[person].add(folder)
    alike = next(sorted(names) for names in own.values() if len(names) > 1)
    return people, f"folders such as {alike[0]!r} and {alike[1]!r} are taken for one subject's"


def _parted(sides: Sequence[str], subjects: Sequence[str]) -> bool:
    seen: dict[str, set[str]] = defaultdict(set)
    for side, subject in zip(sides, subjects, strict=False):
        seen[subject].add(side)
    return any(len(own) > 1 for own in seen.values())


def _add_words(source: Source) -> None:
    """A column for the first or last word of names, where few words recur: ``covid_001``, ``001-normal``."""
    tokens = [re.findall(r"[a-z]+|\d+", stem(file)) for file in source.files]
    for place in (0, -1):
        words = [own[place] if own and own[place].isalpha() else "" for own in tokens]
        counts: Mapping[str, int] = Counter(words)
        if all(_SIDES_AND_VIEWS.fullmatch(word) for word in counts):
            continue
        if 2 <= len(counts) <= _WORDS and "" not in counts and min(counts.values()) >= max(4, len(words) // 50):
            listed = ", ".join(f"{word} {n}" for word, n in sorted(counts.items()))
            source.add_column(LABEL, words)
            source.notes.append(
                f"a word in the names of files is taken for the class ({listed}): if it is something else, remove the "
                f"column {LABEL!r} from the table that is written"
            )
            return
