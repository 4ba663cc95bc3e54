from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scantune.cohort import assign
from scantune.cohort.faults import CohortError
from scantune.cohort.split import settled, split
from scantune.cohort.split_check import rare
from scantune.cohort.splits_table import in_folds, read_splits, without_folds, write_splits
from scantune.config.dataset import SplitConfig
from scantune.records import Record

quick = settings(max_examples=40, deadline=None)


def records(n: int, sessions: int = 1, **targets) -> list[Record]:
    return [
        Record(f"s{i}_{j}", f"s{i}", (Path("x"),), targets={k: str(v(i)) for k, v in targets.items()}, row=i + 2)
        for i in range(n)
        for j in range(sessions)
    ]


def sides(assignments) -> dict[str, set[str]]:
    members = defaultdict(set)
    for a in assignments:
        members[a.split].add(a.subject_id)
    return members


def test_combinations_of_a_class_and_a_group_are_balanced_too() -> None:
    made = []
    for i, (ill, view) in enumerate([("1", "AP")] * 20 + [("0", "AP")] * 20 + [("1", "PA")] * 10 + [("0", "PA")] * 30):
        made.append(Record(f"s{i}", f"s{i}", (Path("x"),), targets={"ill": ill}, groups={"view": view}, row=i + 2))
    config = SplitConfig(method="stratified", on=["ill"], balance=["view"], fractions=[0.6, 0.2, 0.2])
    cell = {r.sample_id: (r.targets["ill"], r.groups["view"]) for r in made}
    for side, members in sides(split(made, config)).items():
        counts = Counter(cell[name] for name in members)
        share = {"train": 0.6, "validation": 0.2, "test": 0.2}[side]
        whole = Counter(cell.values())
        assert all(abs(counts[one] - share * whole[one]) <= 1 for one in whole), (side, counts)
    with pytest.raises(ValueError, match="is of the method 'stratified'"):
        SplitConfig(method="random", balance=["view"])


def folds_of(assignments) -> dict[str, set[str]]:
    members = defaultdict(set)
    for a in assignments:
        if a.fold is not None:
            members[f"fold {a.fold}"].add(a.subject_id)
    return members


@quick
@given(
    n=st.integers(3, 60),
    sessions=st.integers(1, 3),
    seed=st.integers(0, 5),
    shares=st.sampled_from([[0.7, 0.15, 0.15], [0.5, 0.25, 0.25], [0.8, 0.1, 0.1]]),
    method=st.sampled_from(["random", "stratified", "sequential"]),
)
def test_every_subject_is_on_one_side_and_shares_are_kept(n, sessions, seed, shares, method):
    # One class has all the subjects, so that a class can't be missing on a side.
    config = SplitConfig(method=method, on=["c"] if method == "stratified" else [], fractions=shares, seed=seed)
    assignments = split(records(n, sessions, c=lambda i: 1), config)
    assert len(assignments) == n * sessions
    members = sides(assignments)
    assert sum(len(m) for m in members.values()) == n
    expected = assign.counts(n, dict(zip(("train", "validation", "test"), shares)))
    assert {side: len(m) for side, m in members.items()} == expected


@quick
@given(total=st.integers(0, 500), parts=st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_counts_sum_to_the_total_and_are_near_the_shares(total, parts):
    shares = {str(i): part / sum(parts) for i, part in enumerate(parts)}
    counts = assign.counts(total, shares)
    assert sum(counts.values()) == total
    assert all(count >= 0 for count in counts.values())
    if total >= len(parts):
        assert min(counts.values()) >= 1


@quick
@given(st.permutations([f"s{i}" for i in range(12)]), st.integers(0, 3))
def test_digest_order_does_not_depend_on_the_table_s_order(subjects, seed):
    assert assign.by_digest(subjects, seed) == assign.by_digest(sorted(subjects), seed)


@quick
@given(n=st.integers(10, 50), seed=st.integers(0, 3))
def test_a_new_subject_moves_hardly_anybody(n, seed):
    config = SplitConfig(seed=seed)
    before = {a.subject_id: a.split for a in split(records(n), config)}
    after = {a.subject_id: a.split for a in split(records(n + 1), config)}
    assert sum(before[s] != after[s] for s in before) <= 2


SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
FOLDS = {str(fold): 0.2 for fold in range(5)}


@quick
@given(
    classes=st.lists(st.sampled_from("aaaaabbbc"), min_size=80, max_size=120),
    at=st.integers(0, 29),
    to=st.sampled_from("abc"),
    shares=st.sampled_from([SHARES, FOLDS]),
    seed=st.integers(0, 3),
)
def test_a_corrected_label_moves_hardly_anybody_between_stratified_sides(classes, at, to, shares, seed):
    """Each cut of a class may move by a subject or two, as sides round."""
    before = {f"s{i}": frozenset([c]) for i, c in enumerate(classes)}
    after = before | {f"s{at}": frozenset([to])}
    one, other = (assign.alike(labels, shares, seed) for labels in (before, after))
    assert sum(one[s] != other[s] for s in before) <= 6 * (len(shares) - 1)


@quick
@given(
    classes=st.lists(st.sampled_from("aaaaabbbc"), min_size=80, max_size=120),
    more=st.sampled_from("abcd"),
    shares=st.sampled_from([SHARES, FOLDS]),
    seed=st.integers(0, 3),
)
def test_a_new_subject_moves_hardly_anybody_between_stratified_sides(classes, more, shares, seed):
    before = {f"s{i}": frozenset([c]) for i, c in enumerate(classes)}
    one, other = (assign.alike(labels, shares, seed) for labels in (before, before | {"new": frozenset([more])}))
    assert sum(one[s] != other[s] for s in before) <= 6 * (len(shares) - 1)


@pytest.mark.parametrize("on", ["kind", "score"])
def test_corrections_of_classes_and_of_binned_numbers_move_few(on):
    """Of 300 subjects, over thirty corrections; dealt in turn, one moves 30 to 60 on average."""
    values = {
        "kind": lambda i: "abcdef"[i * i % 6],
        "score": lambda i: i * 37 % 101 / 2,
    }[on]
    config = SplitConfig(method="stratified", on=on)
    before = {a.subject_id: a.split for a in split(records(300, **{on: values}), config)}
    moved = []
    for at in range(30):
        other = values(at + 1)
        corrected = records(300, **{on: lambda i, at=at, other=other: other if i == at * 9 else values(i)})
        after = {a.subject_id: a.split for a in split(corrected, config)}
        moved.append(sum(before[s] != after[s] for s in before))
    assert sum(moved) / len(moved) <= 8


def test_corrections_of_one_of_several_labels_move_few():
    several = {f"s{i}": frozenset(k for k in range(6) if i * (k + 3) % 11 < 3) for i in range(300)}
    before = assign.alike(several, SHARES, 42)
    moved = []
    for at in range(30):
        after = assign.alike(several | {f"s{at * 9}": several[f"s{at * 9}"] ^ {at % 6}}, SHARES, 42)
        moved.append(sum(before[s] != after[s] for s in several))
    assert sum(moved) / len(moved) <= 15


def test_another_seed_gives_other_subjects():
    one, other = (split(records(60), SplitConfig(seed=seed)) for seed in (1, 2))
    assert sides(one)["test"] != sides(other)["test"]


@quick
@given(st.lists(st.sampled_from("aaaaabbbc"), min_size=30, max_size=80), st.integers(0, 3))
def test_stratified_sides_have_each_class_in_its_share(classes, seed):
    labels = {f"s{i}": frozenset([c]) for i, c in enumerate(classes)}
    shares = {"train": 0.7, "validation": 0.15, "test": 0.15}
    side_of = assign.alike(labels, shares, seed)
    ordered = Counter(classes).most_common()
    for side, share in shares.items():
        off = [sum(side_of[s] == side and label in c for s, c in labels.items()) - n * share for label, n in ordered]
        assert all(abs(value) <= 2 for value in off[1:])
        assert abs(sum(off)) <= 1, "partitions keep their sizes: the largest class takes what rare ones leave"


def test_stratified_by_a_binned_score_with_many_zeros():
    config = SplitConfig(method="stratified", on="score", fractions=[0.6, 0.2, 0.2])
    assignments = split(records(200, score=lambda i: max(0, i - 60) / 4), config)
    zero = {f"s{i}" for i in range(61)}
    for side, share in (("train", 0.6), ("validation", 0.2), ("test", 0.2)):
        assert abs(len(sides(assignments)[side] & zero) - 61 * share) <= 1


def test_several_labels_at_once():
    config = SplitConfig(method="stratified", on=["a", "b"])
    members = sides(split(records(200, a=lambda i: i % 2, b=lambda i: int(i % 10 == 0)), config))
    rare = {f"s{i}" for i in range(0, 200, 10)}
    assert [len(members[side] & rare) for side in ("train", "validation", "test")] == [14, 3, 3]


def test_a_side_with_one_class_alone_is_refused_with_counts():
    with pytest.raises(CohortError, match=r"test has one class alone and cannot be scored: c '1' .*there are 1\)"):
        split(records(40, c=lambda i: int(i == 0)), SplitConfig(method="stratified", on="c"))


def test_a_rare_class_is_told_with_counts_and_the_others_are_dealt():
    config = SplitConfig(method="stratified", on="c")
    rows = records(60, c=lambda i: "rare" if i < 2 else "ab"[i % 2])
    assignments = split(rows, config)
    (told,) = rare(rows, assignments, config)
    assert told.startswith("c 'rare' is rare: 2 subjects have it, {'test': ")
    assert "'train': 2" in told
    assert told.endswith("are of the other classes")
    group = [replace(row, targets={}, groups={"c": row.targets["c"]}) for row in records(40, c=lambda i: int(i == 0))]
    assert len(rare(group, split(group, config), config)) == 1, "a group is balanced; the task is of another column"


@quick
@given(
    counts=st.lists(st.integers(1, 12), min_size=3, max_size=6),
    seed=st.integers(0, 5),
    folds=st.sampled_from([None, 2, 4]),
)
@example(counts=[2, 2, 2, 2], seed=0, folds=4)  # rare classes that met in the same folds
def test_each_class_is_dealt_as_evenly_as_can_be(counts, seed, folds):
    classes = [name for name, count in zip("abcdef", [20, 20, *counts]) for _ in range(count)]
    rows = records(len(classes), c=lambda i: classes[i])
    config = SplitConfig(method="stratified", on="c", seed=seed, folds=folds, fractions=[0.6, 0.2, 0.2])
    assignments = split(rows, config)
    told = rare(rows, assignments, config)
    of = dict(zip((f"s{i}" for i in range(len(classes))), classes))
    for parts in (sides(assignments), folds_of(assignments)):
        for name in set(classes) if parts else ():
            sizes = {part: sum(of[s] == name for s in members) for part, members in parts.items()}
            assert (min(sizes.values()) == 0) == any(t.startswith(f"c '{name}'") and str(sum(sizes.values())) in t
                                                    and next(iter(sizes)) in t for t in told)  # fmt: skip
    for name, count in zip("abcdef", [20, 20, *counts]):
        assert count < 3 or all(any(of[s] == name for s in members) for members in sides(assignments).values())
    by_fold = [sum(of[s] == "a" for s in members) for members in folds_of(assignments).values()]
    assert not by_fold or max(by_fold) - min(by_fold) <= 2


@quick
@given(
    values=st.lists(st.integers(0, 9), min_size=30, max_size=90),
    seed=st.integers(0, 5),
    folds=st.sampled_from([None, 3]),
)
def test_a_number_of_few_values_is_binned_and_never_refused(values, seed, folds):
    rows = records(len(values), score=lambda i: values[i])
    config = SplitConfig(method="stratified", on="score", seed=seed, folds=folds, fractions=[0.6, 0.2, 0.2])
    assignments = split(rows, config, numbers={"score": True})
    assert rare(rows, assignments, config, numbers={"score": True}) == []
    whole = sorted(values)
    low = {f"s{i}" for i, v in enumerate(values) if v <= whole[len(whole) // 5]}
    for side, share in (("train", 0.6), ("validation", 0.2), ("test", 0.2)):
        assert abs(len(sides(assignments)[side] & low) - share * len(low)) <= 2.5


def test_twenty_classes_named_by_numbers_are_not_binned():
    config = SplitConfig(method="stratified", on="c", fractions=[0.6, 0.2, 0.2])
    rows = records(100, c=lambda i: i % 20)
    dealt = sides(split(rows, config, numbers={"c": False}))
    for name in range(20):
        of = {f"s{i}" for i in range(name, 100, 20)}
        assert [len(dealt[side] & of) for side in ("train", "validation", "test")] == [3, 1, 1]


@quick
@given(n=st.integers(20, 60), seed=st.integers(0, 5), k=st.integers(2, 5), on=st.sampled_from([[], ["c"]]))
def test_folds_leave_the_sides_as_they_are_without_them(n, seed, k, on):
    rows = records(n, 2, c=lambda i: i % 2)
    shared = {"method": "stratified" if on else "random", "on": on, "seed": seed, "fractions": [0.6, 0.2, 0.2]}
    plain, folded = (split(rows, SplitConfig(**shared, folds=folds)) for folds in (None, k))
    assert without_folds(folded) == plain
    assert {a.fold is None for a in folded if a.split == "test"} == {True}
    assignments = in_folds(folded)
    assert {a.split for a in assignments if a.fold is not None} == {"train"}
    sizes = [len(members) for members in folds_of(assignments).values()]
    assert len(sizes) == k
    assert max(sizes) - min(sizes) <= 1


def test_too_few_subjects():
    with pytest.raises(CohortError, match="no subject in the partition"):
        split(records(2), SplitConfig())
    with pytest.raises(CohortError, match="5 folds need 5"):
        split(records(4), SplitConfig(folds=5, fractions=[0.8, 0.2, 0.0]))


@pytest.mark.parametrize("on", [[], ["c"]])
def test_folds_are_disjoint_even_and_leave_the_test_side_out(on):
    config = SplitConfig(method="stratified" if on else "random", on=on, folds=5, fractions=[0.6, 0.2, 0.2])
    assignments = split(records(100, 2, c=lambda i: i % 2), config)
    assert {name: len(m) for name, m in sides(assignments).items()} == {"train": 60, "validation": 20, "test": 20}
    assert {name: len(m) for name, m in folds_of(assignments).items()} == {f"fold {k}": 16 for k in range(5)}
    assert (
        set().union(*folds_of(assignments).values()) == sides(assignments)["train"] | sides(assignments)["validation"]
    )


def test_sequential_is_the_table_s_order():
    members = sides(split(records(10), SplitConfig(method="sequential", fractions=[0.6, 0.2, 0.2])))
    assert members["train"] == {f"s{i}" for i in range(6)}
    assert members["test"] == {"s8", "s9"}


def test_sequential_by_an_order_goes_by_it_and_by_nothing_else_where_a_sample_has_none():
    rows = [Record(f"s{i}", f"s{i}", (), order=f"{2030 - i}-01-01") for i in range(10)]
    members = sides(split(rows, SplitConfig(method="sequential", fractions=[0.6, 0.2, 0.2])))
    assert members["test"] == {"s0", "s1"}
    with pytest.raises(CohortError, match="1 subject has a sample without a date"):
        split([*rows[:-1], Record("s9", "s9", ())], SplitConfig(method="sequential"))


def test_temporal_puts_the_newest_last_and_nothing_that_trains_is_younger():
    rows = [
        Record(f"s{i}_{j}", f"s{i}", (), order=f"{2000 + (7 * i) % 20 + j:d}-01-01") for i in range(20) for j in (0, 1)
    ]
    assignments = split(rows, SplitConfig(method="temporal"))
    dates = {r.sample_id: r.order for r in rows}
    latest = {side: max(dates[a.sample_id] for a in assignments if a.split == side) for side in ("train", "validation")}
    newest = {a.subject_id: max(dates[b.sample_id] for b in assignments if b.subject_id == a.subject_id)
              for a in assignments if a.split == "test"}  # fmt: skip
    assert latest["train"] <= min(newest.values())
    with pytest.raises(CohortError, match="without a date"):
        split(records(10), SplitConfig(method="temporal"))


def grouped(levels: str) -> list[Record]:
    return [Record(f"s{i}", f"s{i}", (), groups={"site": level}) for i, level in enumerate(levels)]


def test_group_out_holds_whole_sites_out():
    config = SplitConfig(method="group_out", group="site", test=["C"], validation=["B"])
    assert sides(split(grouped("AABBCC"), config)) == {
        "train": {"s0", "s1"}, "validation": {"s2", "s3"}, "test": {"s4", "s5"}}  # fmt: skip
    with pytest.raises(CohortError, match="no site 'D'; there are"):
        split(grouped("AB"), SplitConfig(method="group_out", group="site", test=["D"]))


def test_group_out_folds_keep_groups_whole():
    config = SplitConfig(method="group_out", group="site", folds=3)
    assignments = split(grouped("AAABBCCD"), config)
    fold_of = defaultdict(set)
    for a, level in zip(assignments, "AAABBCCD"):
        fold_of[level].add(a.fold)
    assert all(len(folds) == 1 for folds in fold_of.values())
    assert {a.fold for a in assignments} == {0, 1, 2}


def test_a_subject_of_two_sites_is_not_torn_apart():
    rows = [Record("a1", "a", (), groups={"site": "A"}), Record("a2", "a", (), groups={"site": "B"})]
    with pytest.raises(CohortError, match="was seen in"):
        split(rows, SplitConfig(method="group_out", group="site", test=["B"]))


def predefined(named: list[tuple[str, str | None]]) -> list[Record]:
    return [Record(f"x{i}", subject, (), split=side, row=i + 2) for i, (subject, side) in enumerate(named)]


def test_predefined_sides_with_a_subject_on_two():
    rows = predefined([("a", "train"), ("b", "test"), ("a", "test")])
    with pytest.raises(CohortError, match=r"'a' is in two partitions \(row 2: train, row 4: test\)"):
        split(rows, SplitConfig(method="predefined", columns="side"))


def test_predefined_rest_and_fill():
    rows = predefined([(f"s{i}", "train") for i in range(20)] + [("v", "validation"), ("r", None)])
    with pytest.raises(CohortError, match="1 subject is in no partition"):
        split(rows, SplitConfig(method="predefined", columns="side"))
    members = sides(split(rows, SplitConfig(method="predefined", columns="side", rest="leave_out", fill={"test": 0.2})))
    assert {side: len(m) for side, m in members.items()} == {"train": 16, "validation": 1, "test": 4}
    with pytest.raises(CohortError, match="the table itself assigns"):
        split(rows, SplitConfig(method="predefined", columns="side", rest="train", fill={"validation": 0.2}))


def test_ids_that_a_spreadsheet_would_run_are_guarded_in_the_file_and_come_back(tmp_path):
    rows = [Record(f"x{i}", name, ()) for i, name in enumerate(["=HYPERLINK(1)", "-5", "+a", "'=b", "c"])]
    assignments = split(rows, SplitConfig())
    write_splits(tmp_path / "splits.csv", assignments)
    assert read_splits(tmp_path / "splits.csv") == assignments
    assert ",=HYPERLINK" not in (tmp_path / "splits.csv").read_text()


def test_splits_are_written_and_read_back(tmp_path):
    for config in (SplitConfig(), SplitConfig(folds=3)):
        assignments = split(records(30), config)
        write_splits(tmp_path / "splits.csv", assignments)
        assert read_splits(tmp_path / "splits.csv") == assignments


def named(**counts: int) -> list[Record]:
    """Records of one image each whose partition is named, of two classes in turn."""
    return [
        Record(f"{side}{i}", f"{side}{i}", (Path("x"),), targets={"label": "ab"[i % 2]}, split=side, row=i + 2)
        for side, n in counts.items()
        for i in range(n)
    ]


def test_partitions_that_folders_name_are_taken_where_no_method_is_written():
    rows = named(train=40, validation=10, test=8)
    settled_, notes = settled(rows, SplitConfig())
    assert (settled_.method, notes) == ("predefined", [])
    assert {side: len(ids) for side, ids in sides(split(rows, settled_)).items()} == {
        "train": 40,
        "validation": 10,
        "test": 8,
    }
    assert settled(rows, SplitConfig(method="random"))[0].method == "random"


def test_a_test_side_that_is_not_named_is_a_stated_share_of_the_training_subjects():
    rows = named(train=40, validation=10)
    settled_, notes = settled(rows, SplitConfig())
    assert "no test samples are named: 15% for test are drawn from the training subjects" in notes[0]
    assignments = split(rows, settled_)
    assert {side: len(ids) for side, ids in sides(assignments).items()} == {"train": 34, "validation": 10, "test": 6}
    classes = {r.subject_id: r.targets["label"] for r in rows}
    assert sorted(classes[s] for s in sides(assignments)["test"]) == list("aaabbb")
    assert not sides(assignments)["test"] & {r.subject_id for r in rows if r.split == "validation"}


@pytest.mark.parametrize(
    "written", [{"fill": {"test": 0.5}}, {"folds": 4}, {"method": "predefined", "rest": "test", "columns": "side"}]
)
def test_what_is_written_needs_no_rule(written):
    rows = named(train=40, validation=10)
    settled_, notes = settled(rows, SplitConfig(**written))
    assert notes == []
    assert settled_.fill == written.get("fill", {})


def test_a_column_of_sides_without_a_side_is_no_random_split():
    rows = predefined([(f"s{i}", None) for i in range(20)])
    config = settled(rows, SplitConfig(columns="side"))[0]
    with pytest.raises(CohortError, match="20 subjects are in no partition"):
        split(rows, config)


def test_rest_is_of_rows_and_never_parts_a_subject():
    rows = predefined([(f"s{i // 2}", ("train" if i < 12 else "test") if i % 2 == 0 else None) for i in range(20)])
    config = {"method": "predefined", "columns": "side"}
    with pytest.raises(CohortError, match=r"10 subjects have samples in a partition and samples in none .*row 3: none"):
        split(rows, SplitConfig(**config))
    kept = split(rows, SplitConfig(**config, rest="leave_out"))
    assert [a.sample_id for a in kept] == [r.sample_id for r in rows if r.split is not None]
    with pytest.raises(
        CohortError, match=r"'s6' is in two partitions by 'rest: train' \(row 14: test, row 15: train\)"
    ):
        split(rows, SplitConfig(**config, rest="train"))
    training = [row for row in rows if int(row.subject_id[1:]) < 6]
    test = predefined([("t", "test")])
    assert Counter(a.split for a in split([*training, *test], SplitConfig(**config, rest="train"))) == {
        "train": 12,
        "test": 1,
    }


def sited(*sites: str) -> list[Record]:
    return [
        Record(f"x{i}", f"s{i}", (), groups={"site": sites[i % len(sites)]}, targets={"y": "ab"[i // 7 % 2]}, row=i + 2)
        for i in range(56)
    ]


@pytest.mark.parametrize("other", ["a", "A ", "\uff21"])
def test_a_group_in_two_forms_is_not_trained_and_tested_on(other):
    config = {"method": "group_out", "group": "site"}
    rows = sited("A", "B", other, "C")
    with pytest.raises(CohortError, match="differ only in case, blanks"):
        split(rows, SplitConfig(**config, test=["A"]))
    with pytest.raises(CohortError, match="differ only in case, blanks"):
        split(rows, SplitConfig(**config, folds=3))
    both = split(rows, SplitConfig(**config, test=["A", other]))
    assert {a.split for a, r in zip(both, rows, strict=True) if r.groups["site"] in ("A", other)} == {"test"}


def test_subjects_without_a_group_are_told():
    config = SplitConfig(method="group_out", group="site", test=["A"])
    assert settled(sited("A", "B", "C"), config) == (config, [])
    assert "14 subjects have no 'site'" in settled(sited("A", "B", "C", ""), config)[1][0]


def test_one_class_written_in_two_ways_is_one_stratum():
    rows = [Record(f"x{i}", f"s{i}", (), targets={"y": ("1", "1.0", "01", "0")[i % 4]}, row=i + 2) for i in range(40)]
    plain = [replace(r, targets={"y": str(int(float(r.targets["y"])))}) for r in rows]
    config = SplitConfig(method="stratified", on="y")
    assert split(rows, config) == split(plain, config)
    few = [Record(f"x{i}", f"s{i}", (), targets={"y": y}, row=i + 2) for i, y in enumerate(["1", "1.0"] * 10 + ["0"])]
    with pytest.raises(CohortError, match="one class alone"):
        split(few, config)


def test_numbers_among_dates_are_refused_however_they_are_written():
    for odd in ("-5", "1e5", "20240131"):
        rows = [Record(f"x{i}", f"s{i}", (), order="2024-01-01T00:00:00" if i else odd) for i in range(9)]
        with pytest.raises(CohortError, match="both dates and numbers"):
            split(rows, SplitConfig(method="temporal"))


@pytest.mark.parametrize("method", ["temporal", "sequential"])
def test_folds_of_a_split_by_date_are_by_date_whatever_the_order_of_the_rows(method):
    rows = [Record(f"s{i}", f"s{i}", (), order=f"2{(7 * i) % 40:03d}-01-01", row=i + 2) for i in range(40)]
    config = SplitConfig(method=method, folds=4, fractions=[0.6, 0.2, 0.2])
    assignments = split(rows, config)
    assert {a.sample_id: a for a in assignments} == {a.sample_id: a for a in split(rows[::-1], config)}
    dates = {r.sample_id: r.order for r in rows}
    by_fold = [[dates[a.sample_id] for a in assignments if a.fold == fold] for fold in range(4)]
    assert all(max(earlier) < min(later) for earlier, later in pairwise(by_fold))
