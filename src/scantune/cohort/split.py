"""Subjects to train, validation and test, or to folds: from the complete table, whatever is excluded later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from scantune.amounts import number_of
from scantune.cohort import assign, values
from scantune.cohort.doubts import form_free
from scantune.cohort.faults import CohortError
from scantune.cohort.split_check import check
from scantune.cohort.splits_table import Assignment
from scantune.cohort.strata import NO_TASKS, Kinds, Subjects, by_subject, crossed, labels
from scantune.config.dataset import SplitConfig
from scantune.records import Record

SIDES = ("train", "validation", "test")


def split(records: Sequence[Record], settings: SplitConfig, numbers: Kinds = NO_TASKS) -> list[Assignment]:
    """Assign every sample to a side, and where the settings ask for it to a fold, in the records' order.

    Args:
        records: all records of the table: those that preprocess leaves out are assigned too, so that leaving one
            out moves no other.
        settings: how.
        numbers: targets that tasks take as a number (True) or as classes (False), as in :func:`strata.labels`.

    Raises:
        CohortError: too few subjects, a side or fold with one class alone, a subject on two sides, a level that is not
            there; each with the counts and what would work.
    """
    subjects = by_subject(_assigned(records, settings))
    sides = _METHODS[settings.method](subjects, settings, numbers)
    folds: dict[str, int] = {}
    if settings.folds and settings.method not in ("group_out",):
        folds = _folds([s for s in subjects if sides.get(s) in ("train", "validation")], subjects, settings, numbers)
    elif settings.folds:
        folds = _group_folds({s: r for s, r in subjects.items() if sides[s] != "test"}, settings)
    result = [
        Assignment(
            r.sample_id,
            r.subject_id,
            sides[r.subject_id],
            folds.get(r.subject_id),
        )
        for r in _assigned(records, settings)
        if r.subject_id in sides
    ]
    check(result, subjects, settings, numbers)
    return result


def _assigned(records: Sequence[Record], settings: SplitConfig) -> Sequence[Record]:
    """Without the rows that no partition names, where ``rest`` leaves them out: those of a subject with others too."""
    leaves_out = settings.method == "predefined" and settings.rest == "leave_out"
    return [r for r in records if r.split is not None] if leaves_out else records


def settled(records: Sequence[Record], settings: SplitConfig) -> tuple[SplitConfig, list[str]]:
    """The settings completed from the records, and notes to print before anything is trained.

    Partitions named by folders or columns are used if no ``method`` is set. One that they lack is a share of
    the training subjects: that of ``fractions``.
    """
    named = {r.split for r in records if r.split is not None}
    if (named or settings.columns) and "method" not in settings.model_fields_set:
        settings = settings.model_copy(update={"method": "predefined"})
    if settings.method == "group_out":
        return settings, _without_level(records, settings)
    if settings.method != "predefined" or settings.folds or "train" not in named:
        return settings, []
    assigned = {*named, *settings.fill, settings.rest}
    missing = {side: settings.shares[side] for side in SIDES if side not in assigned and settings.shares[side] > 0}
    if not missing:
        return settings, []
    shares_text = " and ".join(f"{share:.0%} for {side}" for side, share in missing.items())
    return settings.model_copy(update={"fill": {**settings.fill, **missing}}), [
        f"no {' and no '.join(missing)} samples are named: {shares_text} are drawn from the training subjects by a "
        f"digest of their ids, balanced for the target; other shares: split.fill: {missing}"
    ]


def _random(subjects: Subjects, settings: SplitConfig, numbers: Kinds) -> dict[str, str]:
    return assign.cut(assign.by_digest(list(subjects), settings.seed), settings.shares)


def _stratified(subjects: Subjects, settings: SplitConfig, numbers: Kinds) -> dict[str, str]:
    strata = crossed(subjects, settings.on, settings.balance, settings.bins, numbers)
    return assign.alike(strata, settings.shares, settings.seed)


def _sequential(subjects: Subjects, settings: SplitConfig, numbers: Kinds) -> dict[str, str]:
    return assign.cut(_in_order(subjects), settings.shares)


def _temporal(subjects: Subjects, settings: SplitConfig, numbers: Kinds) -> dict[str, str]:
    """By each subject's latest date: nothing that trains is younger than the cut."""
    return assign.cut(_by_date(subjects), settings.shares)


def _in_order(subjects: Subjects) -> list[str]:
    """By each subject's latest ``order``; in the table's order where no sample has one."""
    undated = all(r.order is None for rs in subjects.values() for r in rs)
    return list(subjects) if undated else _by_date(subjects)


def _by_date(subjects: Subjects) -> list[str]:
    blank = [s for s, rs in subjects.items() if any(r.order is None for r in rs)]
    if blank:
        raise CohortError(
            "split", [f"{number_of(len(blank), 'subject has', 'subjects have')} a sample without a date ('order')"]
        )
    return _latest_first(subjects)[::-1]


def _latest_first(subjects: Subjects) -> list[str]:
    texts = {r.order or "" for rs in subjects.values() for r in rs}
    try:
        key: dict[str, float | str] = {text: float(text) for text in texts}
    except ValueError:
        key = {text: text for text in texts}
        if any(values.is_number(text) for text in texts):
            raise CohortError("split", ["the column 'order' contains both dates and numbers"]) from None
    latest = {s: max(key[r.order or ""] for r in rs) for s, rs in subjects.items()}  # type: ignore[type-var]
    return sorted(subjects, key=lambda s: (latest[s], s), reverse=True)  # type: ignore[arg-type, return-value]


def _without_level(records: Sequence[Record], settings: SplitConfig) -> list[str]:
    """A note where subjects have no level of the group: theirs may be one that tests."""
    name = str(settings.group)
    blank = {r.subject_id for r in records if not r.groups.get(name, "")}
    if not blank or "" in map(str, settings.test):
        return []
    return [
        f"{number_of(len(blank), 'subject has', 'subjects have')} no {name!r}, and may be of a group that tests; "
        "leave their rows out by 'where: {<column>: {exclude: [\"\"]}}'"
    ]


def _predefined(subjects: Subjects, settings: SplitConfig, numbers: Kinds) -> dict[str, str]:
    sides: dict[str, str] = {}
    faults: list[str] = []
    unplaced: list[str] = []
    partly: list[str] = []
    rest = settings.rest if settings.rest in SIDES else None
    for subject, records in subjects.items():
        sides_of_rows = [r.split or rest for r in records]
        named = sorted({side for side in sides_of_rows if side is not None})
        rows = ", ".join(f"row {r.row}: {side or 'none'}" for r, side in zip(records, sides_of_rows, strict=True))
        if len(named) > 1:
            by_rest = f" by 'rest: {rest}'" if None in {r.split for r in records} else ""
            faults.append(f"subject {subject!r} is in two partitions{by_rest} ({rows}): assign all its samples to one")
        elif not named:
            unplaced.append(subject)
        elif None in sides_of_rows:
            partly.append(f"{subject!r} ({rows})")
        else:
            sides[subject] = named[0]
    if partly:
        faults.append(
            f"{number_of(len(partly), 'subject has', 'subjects have')} samples in a partition and samples in "
            f"none (first {'; '.join(partly[:5])}): "
            "assign all of them, or set 'rest: leave_out' to leave the others out"
        )
    if unplaced:
        faults.append(
            f"{number_of(len(unplaced), 'subject is', 'subjects are')} in no partition (first {unplaced[:5]}): "
            "assign them by 'rest:' (leave_out, train, validation or test)"
        )
    if faults:
        raise CohortError("split", faults)
    return _filled(sides, subjects, settings, numbers)


def _filled(sides: dict[str, str], subjects: Subjects, settings: SplitConfig, numbers: Kinds) -> dict[str, str]:
    """Sides that the table lacks, drawn from the training subjects: balanced in the one target, else by digest."""
    conflicting = sorted(set(settings.fill) & set(sides.values()))
    if conflicting:
        raise CohortError("split", [f"'fill' names {conflicting}, which the table itself assigns"])
    if not settings.fill:
        return sides
    training = assign.by_digest([s for s, side in sides.items() if side == "train"], settings.seed)
    rest = 1.0 - sum(settings.fill.values())
    if rest <= 0:
        raise CohortError("split", [f"'fill' {dict(settings.fill)} leaves no training subjects"])
    shares: dict[str, float] = {"train": rest}
    shares.update({str(side): share for side, share in settings.fill.items()})
    on = settings.on or list({name: 0 for records in subjects.values() for r in records for name in r.targets})
    if len(on) == 1:
        strata = labels({s: subjects[s] for s in training}, on, settings.bins, numbers)
        return sides | assign.alike(strata, shares, settings.seed)
    return sides | assign.cut(training, shares)


def _group_out(subjects: Subjects, settings: SplitConfig, numbers: Kinds) -> dict[str, str]:
    """Whole groups test (and validate); the rest trains, a share of it validates where no level is named for that."""
    name = str(settings.group)
    level_of = {s: {r.groups.get(name, "") for r in rs} for s, rs in subjects.items()}
    levels = Counter(level for subject_levels in level_of.values() for level in subject_levels)
    named = {str(level): side for side in ("test", "validation") for level in getattr(settings, side)}
    faults = [f"no {name} {level!r}; there are {dict(levels)}" for level in named if level not in levels]
    faults += _alike_apart({level: named.get(level, "train") for level in levels}, name)
    sides: dict[str, str] = {}
    for subject, subject_levels in level_of.items():
        on = {named.get(level, "train") for level in subject_levels}
        if len(on) > 1:
            faults.append(
                f"subject {subject!r} was seen in {sorted(subject_levels)}, so on {sorted(on)}: name them together"
            )
        sides[subject] = sorted(on)[0]
    if faults:
        raise CohortError(f"split by group {name!r}", faults)
    if not settings.validation:
        share = settings.shares["validation"] / (settings.shares["train"] + settings.shares["validation"])
        rest = assign.by_digest([s for s, side in sides.items() if side == "train"], settings.seed)
        sides |= assign.cut(rest, {"train": 1 - share, "validation": share})
    return sides


_METHODS: dict[str, Callable[[Subjects, SplitConfig, Kinds], dict[str, str]]] = {
    "random": _random,
    "stratified": _stratified,
    "sequential": _sequential,
    "temporal": _temporal,
    "predefined": _predefined,
    "group_out": _group_out,
}


def _folds(chosen: list[str], subjects: Subjects, settings: SplitConfig, numbers: Kinds) -> dict[str, int]:
    k = int(settings.folds or 0)
    _enough(len(chosen), k)
    shares = {str(fold): 1.0 / k for fold in range(k)}
    if settings.on:
        strata = crossed({s: subjects[s] for s in chosen}, settings.on, settings.balance, settings.bins, numbers)
        dealt = assign.alike(strata, shares, settings.seed)
    else:
        in_order = settings.method in ("sequential", "temporal")
        order = _in_order({s: subjects[s] for s in chosen}) if in_order else assign.by_digest(chosen, settings.seed)
        dealt = assign.cut(order, shares)
    return {subject: int(fold) for subject, fold in dealt.items()}


def _alike_apart(side_of: dict[str, str], name: str) -> list[str]:
    """A fault for each group in two forms (``A``, ``a``; ``1``, ``01``) of which one tests and the other trains."""
    forms: dict[str, list[str]] = {}
    for level in side_of:
        forms.setdefault(form_free(level), []).append(level)
    return [
        f"{name} {' and '.join(f'{level!r} ({side_of[level]})' for level in sorted(levels))} differ only in case, "
        "blanks, zeros, dashes or Unicode form: name them together, or join them by 'recode' of the dataset"
        for levels in forms.values()
        if len({side_of[level] for level in levels}) > 1
    ]


def _group_folds(subjects: Subjects, settings: SplitConfig) -> dict[str, int]:
    """Groups to folds, the largest first to the emptiest fold; each group is in one fold completely."""
    name, k = str(settings.group), int(settings.folds or 0)
    level_of = {s: sorted({r.groups.get(name, "") for r in rs}) for s, rs in subjects.items()}
    many = [s for s, subject_levels in level_of.items() if len(subject_levels) > 1]
    if many:
        raise CohortError(f"folds by group {name!r}", [f"subjects seen in several groups: {many[:10]}"])
    sizes = Counter(subject_levels[0] for subject_levels in level_of.values())
    alike = _alike_apart({level: repr(level) for level in sizes}, name)
    if alike:
        raise CohortError(f"folds by group {name!r}", alike)
    if len(sizes) < k:
        raise CohortError(f"folds by group {name!r}", [f"{k} folds need {k} groups; there are {dict(sizes)}"])
    filled = [0] * k
    fold_of: dict[str, int] = {}
    for level, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        fold_of[level] = filled.index(min(filled))
        filled[fold_of[level]] += size
    return {s: fold_of[subject_levels[0]] for s, subject_levels in level_of.items()}


def _enough(subjects: int, needed: int) -> None:
    if subjects < needed:
        raise CohortError("split", [f"{needed} folds need {needed} subjects or more; there are {subjects}"])
