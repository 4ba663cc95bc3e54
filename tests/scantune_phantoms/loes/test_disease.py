import itertools

import numpy as np
import pytest

from scantune_phantoms.cohort import generator
from scantune_phantoms.loes import brain, disease
from scantune_phantoms.loes.regions import FRONTAL, ITEMS, MAX_SCORE, POSTERIOR
from scantune_phantoms.loes.subjects import draw_subject

SPACING = 4.0


def grown(extents, **options):
    return brain.grow(generator(0, "person"), extents, spacing=SPACING, **options)


def at(point):
    """Index D, H, W of a place in mm."""
    return tuple(round((mm - origin) / SPACING) for mm, origin in zip(point, brain.ORIGIN))[::-1]


def test_the_sheet_adds_up_to_34_points():
    assert sum(item.points for item in ITEMS) == MAX_SCORE == 34
    everything = {(item.name, side): 1.0 for item in ITEMS for side in disease.sides(item)}
    assert disease.score(everything) == 34
    assert disease.score({}) == 0


def test_one_side_counts_half_and_the_midline_whole():
    assert disease.score({("optic radiation", "left"): 1.0}) == 0.5
    assert disease.score({("optic radiation", "left"): 1.0, ("optic radiation", "right"): 0.6}) == 1
    assert disease.score({("splenium", "midline"): 0.7}) == 1


def test_the_courses_name_items_of_the_sheet():
    assert set(POSTERIOR) == set(FRONTAL) == {item.name for item in ITEMS}


@pytest.mark.parametrize("number", range(5))
def test_the_disease_never_goes_back(number):
    course = disease.draw_course(generator(0, "course", number))
    stages = [course.extents(stage) for stage in np.linspace(0, 1, 21)]
    scores = [disease.score(extents) for extents in stages]
    assert scores == sorted(scores)
    assert scores[0] == 0
    assert scores[-1] >= 33
    for earlier, later in itertools.pairwise(stages):
        assert all(later[key] >= extent for key, extent in earlier.items())


def test_readers_err_in_half_points_and_less_at_the_lower_end():
    rng = np.random.default_rng(0)
    reads = {score: np.array([disease.read_score(rng, score) for _ in range(400)]) for score in (0, 3, 20, 34)}
    assert (reads[0] == 0).mean() > 0.9
    assert reads[3].std() < reads[20].std()
    for values in reads.values():
        assert values.min() >= 0
        assert values.max() <= 34
        assert np.array_equal(values * 2, np.round(values * 2))
    assert abs(reads[20].mean() - 20) < 0.3


def test_about_three_scans_in_ten_show_nothing():
    subjects = [
        draw_subject(generator(0, "loes", "a", number), number, ("one", "two"), confounder=False)
        for number in range(1, 401)
    ]
    scans = [(subject, session) for subject in subjects for session in subject.sessions]
    assert 1.25 < len(scans) / len(subjects) < 1.42
    scores = np.array([disease.score(subject.course.extents(session.stage)) for subject, session in scans])
    assert 0.22 < (scores == 0).mean() < 0.36
    assert (scores > 15).mean() > 0.15
    for subject in subjects:
        dates = [session.date for session in subject.sessions]
        assert dates == sorted(dates)
        assert all(not session.gadolinium for session in subject.sessions if session.stage == 0)


@pytest.mark.slow
@pytest.mark.parametrize("item", [item for item in ITEMS if not item.atrophy], ids=lambda item: item.name)
def test_every_lesion_darkens_its_place_on_its_side(item):
    side = disease.sides(item)[0]
    clean, ill = grown({}), grown({(item.name, side): 1.0})
    darker = clean.signal - ill.signal
    assert darker.max() > 0.05  # twice the noise of the better scanner
    place = np.argwhere(ill.lesion > 0.3).mean(axis=0)[::-1] * SPACING + brain.ORIGIN
    expected = np.array(item.centre) * [-1 if side == "left" else 1, 1, 1]
    assert np.linalg.norm(place - expected) < 16
    assert clean.lesion.max() == 0
    if side == "left":
        assert place[0] < 0


@pytest.mark.parametrize("item", [item for item in ITEMS if item.atrophy], ids=lambda item: item.name)
def test_every_atrophy_costs_tissue(item):
    extents = {(item.name, side): 1.0 for side in disease.sides(item)}
    clean, ill = grown({}), grown(extents)
    assert ill.lesion.max() == 0
    assert ill.signal.sum() < clean.signal.sum()
    assert np.abs(ill.signal - clean.signal).max() > 0.1


def test_gadolinium_brightens_the_rim_only():
    extents = {("parieto-occipital central", "right"): 1.0}
    plain, enhanced = grown(extents), grown(extents, gadolinium=True)
    change = enhanced.signal - plain.signal
    assert change.min() >= 0
    assert change.max() > 0.1
    assert change[at((-30, 40, 20))] == 0


def test_the_same_person_has_the_same_brain_at_every_session():
    first, second = grown({}), grown({("splenium", "midline"): 1.0})
    away = np.zeros_like(first.mask, bool)
    away[:, at((0, 30, 0))[1] :] = True  # the frontal half
    assert np.array_equal(first.signal[away], second.signal[away])
    other = brain.grow(generator(0, "somebody else"), {}, spacing=SPACING)
    assert np.abs(other.signal - first.signal).max() > 0.5
