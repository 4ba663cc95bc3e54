from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scantune.engine.samplers import balanced, epoch_steps, shard, shuffled, steps_in_epoch


@settings(deadline=None, max_examples=60)
@given(n=st.integers(2, 70), batch=st.integers(1, 9), accumulation=st.integers(1, 4), world=st.integers(1, 3))
def test_every_sample_once_an_epoch_in_batches_that_fit(n: int, batch: int, accumulation: int, world: int) -> None:
    steps = steps_in_epoch(n, batch, accumulation, world)
    order = shuffled(n, 1)(0)
    if n // steps < world:
        return
    plans = [epoch_steps(order, steps, batch, world, rank) for rank in range(world)]
    seen = [int(i) for plan in plans for step in plan for indices in step for i in indices]
    assert sorted(seen) == list(range(n))
    at_most = batch if world == 1 else max(batch, 2)  # two processes share three samples: one takes two
    assert all(1 <= len(indices) <= at_most for plan in plans for step in plan for indices in step)
    assert all(len(step) <= accumulation for plan in plans for step in plan)
    assert len({len(plan) for plan in plans}) == 1
    for step in range(steps):
        assert len({len(plan[step]) for plan in plans}) == 1  # every process backs up equally often


@settings(deadline=None, max_examples=30)
@given(n=st.integers(8, 60))
def test_a_steps_samples_do_not_depend_on_how_it_is_shared(n: int) -> None:
    order = shuffled(n, 3)(2)

    def sets(batch: int, accumulation: int, world: int) -> list[set[int]]:
        steps = steps_in_epoch(n, batch, accumulation, world)
        plans = [epoch_steps(order, steps, batch, world, rank) for rank in range(world)]
        return [{int(i) for plan in plans for indices in plan[s] for i in indices} for s in range(steps)]

    assert sets(8, 1, 1) == sets(4, 2, 1) == sets(4, 1, 2) == sets(2, 2, 2)


@settings(deadline=None, max_examples=60)
@given(n=st.integers(2, 70), batch=st.integers(2, 9), accumulation=st.integers(1, 8))
def test_a_step_that_is_not_full_has_fewer_batches_not_smaller_ones(n: int, batch: int, accumulation: int) -> None:
    """Of 9 samples in batches of 2 and steps of 4 none trains alone, but for one that an odd step cannot pair."""
    for step in epoch_steps(np.arange(n), steps_in_epoch(n, batch, accumulation), batch, 1, 0):
        sizes = [len(indices) for indices in step]
        assert len(sizes) == -(-sum(sizes) // batch)
        assert max(sizes) - min(sizes) <= 1


def test_order_is_the_epochs_own_and_repeats() -> None:
    order = shuffled(50, 7)
    assert order(3).tolist() == shuffled(50, 7)(3).tolist()
    assert order(3).tolist() != order(4).tolist()
    assert order(3).tolist() != shuffled(50, 8)(3).tolist()


@settings(deadline=None, max_examples=40)
@given(counts=st.lists(st.integers(1, 30), min_size=2, max_size=4))
def test_balanced_draws_every_class_equally_often(counts: list[int]) -> None:
    classes = np.repeat(np.arange(len(counts)), counts)
    drawn = balanced(classes, 1)(0)
    assert len(drawn) == len(classes)
    often = np.bincount(classes[drawn], minlength=len(counts))
    assert often.max() - often.min() <= 1
    per_sample = np.bincount(drawn, minlength=len(classes))
    for label in range(len(counts)):
        own = per_sample[classes == label]
        assert own.max() - own.min() <= 1  # none twice before all once


@settings(deadline=None, max_examples=40)
@given(n=st.integers(0, 50), batch=st.integers(1, 8), world=st.integers(1, 4))
def test_no_sample_is_judged_twice(n: int, batch: int, world: int) -> None:
    seen = [int(i) for rank in range(world) for indices in shard(n, batch, world, rank) for i in indices]
    assert sorted(seen) == list(range(n))
