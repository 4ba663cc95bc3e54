"""The beating heart, the machine that looks at it, and what faults do to the picture."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scantune_phantoms.cohort import generator
from scantune_phantoms.echo import Faults, draw_subject, make_loop, quality
from scantune_phantoms.echo.anatomy import draw_heart, ellipse, posed, scene, segment
from scantune_phantoms.echo.cycle import contraction, ecg, opening
from scantune_phantoms.echo.loop import place
from scantune_phantoms.echo.scanner import BEAMS, RANGES, SCANNERS, compress, make_sector, scan_convert, spread
from scantune_phantoms.echo.spoil import COSTS, read

SHARE = st.floats(0, 1)


def person(scanner="egret-P1", frames=4, **faults):
    subject = draw_subject(generator(0, "test"), 7, (scanner,))
    loop = dataclasses.replace(subject.loops[0], faults=Faults(**faults), frames=frames, rate=70.0, frame_time=40.0)
    return dataclasses.replace(subject, loops=(loop,))


@pytest.fixture(scope="module")
def clean():
    return make_loop(0, "a", person(), 0)


@given(st.floats(-3, 3))
@settings(deadline=None, max_examples=50)
def test_the_cycle_is_periodic_and_between_0_and_1(phase):
    for curve in (contraction, opening):
        value = curve(np.array([phase]))[0]
        assert -1e-9 <= value <= 1 + 1e-9
        assert value == pytest.approx(curve(np.array([phase + 1]))[0], abs=1e-6)


def test_valves_are_closed_while_the_ventricle_ejects_and_the_r_wave_starts_it():
    phase = np.linspace(0, 1, 200, endpoint=False)
    ejecting = (phase > 0.06) & (phase < 0.37)
    assert opening(phase)[ejecting].max() < 0.01
    assert np.diff(contraction(phase)[ejecting]).min() > 0
    assert phase[np.argmax(ecg(phase))] == pytest.approx(0, abs=0.01)


@given(st.integers(0, 10_000), SHARE)
@settings(deadline=None, max_examples=40)
def test_volumes_give_the_ejection_fraction_and_walls_thicken(seed, beat):
    heart = draw_heart(np.random.default_rng(seed), large=True)
    full, now, empty = (posed(heart, c, 0.0) for c in (0.0, beat, 1.0))
    assert 1 - heart.volume(empty) / heart.volume(full) == pytest.approx(heart.ejection, rel=1e-6)
    assert heart.volume(empty) - 1e-9 <= heart.volume(now) <= heart.volume(full) + 1e-9
    assert full.wall - 1e-9 <= now.wall <= empty.wall + 1e-9


def test_the_volume_is_that_of_the_drawn_cavity():
    heart = draw_heart(np.random.default_rng(0), large=True)
    pose = posed(heart, 0.0, 0.0)
    step = 0.02
    v = np.arange(0, pose.length, step)[:, None] + np.zeros((1, 400))
    u = (np.arange(400) - 199.5)[None] * step + 0 * v
    inside = scene(heart, pose, u, v, 0 * u).left < 0
    discs = np.pi * (0.5 * inside.sum(axis=1) * step) ** 2 * step
    assert discs.sum() == pytest.approx(heart.volume(pose), rel=0.01)


def test_distances_of_ellipse_and_segment():
    at = np.array([0.0, 2.0, 3.0]), np.array([3.0, 0.0, 0.0])
    assert np.allclose(ellipse(*at, 2.0, 3.0)[:2], 0, atol=1e-6)
    assert ellipse(*at, 3.0, 3.0) == pytest.approx([0, -1, 0], abs=1e-3)
    assert segment(np.array([0.0, 5.0]), np.array([1.0, 0.0]), (-1, 0), (2, 0)) == pytest.approx([1, 3])


@given(st.dictionaries(st.sampled_from(sorted(COSTS)), SHARE), st.sampled_from(sorted(COSTS)), SHARE)
@settings(deadline=None, max_examples=80)
def test_quality_lies_in_0_to_1_and_falls_with_each_fault(shares, name, more):
    faults = Faults(**shares)
    worse = dataclasses.replace(faults, **{name: max(more, getattr(faults, name))})
    assert 0 <= quality(worse) <= quality(faults) <= 1
    assert quality(Faults()) == 1


@given(SHARE, st.integers(0, 10_000))
@settings(deadline=None, max_examples=40)
def test_readers_stay_in_range_and_near_what_they_see(score, seed):
    given_score = read(np.random.default_rng(seed), score, 0.0)
    assert 0 <= given_score <= 1
    assert abs(given_score - score) < 0.4
    assert given_score * 20 == pytest.approx(round(given_score * 20))


def test_a_sector_shows_each_sample_where_it_lies():
    sector = make_sector(SCANNERS["delfin-S3"], 16.0)
    depth = scan_convert(sector, np.ascontiguousarray(sector.radius + 0 * sector.x, np.float32))
    row, column = round(sector.apex[0] + 10 * sector.scale), round(sector.apex[1])
    assert depth[row, column] == pytest.approx(10, abs=0.12)
    side = scan_convert(sector, np.ascontiguousarray(sector.x, np.float32))
    assert side[row, column + 20] == pytest.approx(20 / sector.scale, abs=0.12)
    assert not depth[~sector.inside].any()


@pytest.mark.parametrize("name", sorted(SCANNERS))
def test_speckle_is_rayleigh_and_wider_across_than_along_at_depth(name):
    sector = make_sector(SCANNERS[name], 16.0)
    white = np.random.default_rng(0).standard_normal((RANGES, BEAMS, 2)).astype(np.float32)
    waves = spread(SCANNERS[name], sector, white)
    middle = waves[90:120, 10:-10]
    envelope = np.hypot(middle[..., 0], middle[..., 1])
    assert (middle**2).mean() == pytest.approx(1, rel=0.25)
    assert envelope.mean() / envelope.std() == pytest.approx(1.91, rel=0.12)  # of a Rayleigh distribution
    real = waves[140:, 5:-5, 0]
    across = (real[:, 1:] * real[:, :-1]).mean() / (real**2).mean()
    along = (real[1:] * real[:-1]).mean() / (real**2).mean()
    assert across > along


def test_a_brighter_echo_is_shown_brighter():
    waves = np.stack([np.geomspace(1e-4, 100, 50), np.zeros(50)], axis=-1).astype(np.float32)[None]
    grey = compress(SCANNERS["egret-P1"], waves, 0.0)[0]
    assert grey[0] == 0
    assert grey[-1] == 1
    assert (np.diff(grey) >= 0).all()


def test_the_grain_moves_with_the_wall(clean):
    still = np.corrcoef(clean.pictures[0][clean.sector.inside], clean.pictures[1][clean.sector.inside])[0, 1]
    assert 0.6 < still < 0.995


@pytest.mark.parametrize("name", ["dropout", "shadow"])
def test_what_is_lost_is_darker_where_the_region_says(clean, name):
    spoiled = make_loop(0, "a", person(**{name: 0.9}), 0)
    where = spoiled.region > 0.8
    assert where.sum() > 100
    assert spoiled.pictures[:, where].mean() < 0.6 * clean.pictures[:, where].mean()


@pytest.mark.parametrize("name", ["reverberation", "haze"])
def test_clutter_lies_over_the_chambers_and_stays_still(clean, name):
    spoiled = make_loop(0, "a", person(**{name: 0.9}), 0)
    where = spoiled.region > 0.8
    assert where.sum() > 100
    assert spoiled.pictures[:, where].mean() > 1.1 * clean.pictures[:, where].mean()
    assert spoiled.pictures[:, where].std(axis=0).mean() < clean.pictures[:, where].std(axis=0).mean()


def test_penetration_costs_the_depth(clean):
    spoiled = make_loop(0, "a", person(penetration=1.0), 0)
    height = clean.pictures.shape[1]
    deep = np.zeros_like(clean.sector.inside)
    deep[height * 2 // 3 :] = True
    deep &= clean.sector.inside
    contrast = [cine.pictures[:, deep].mean(axis=0).std() for cine in (spoiled, clean)]
    assert contrast[0] < 0.5 * contrast[1]


def test_bad_framing_is_too_deep_or_off_the_middle():
    subject = person(framing=1.0)
    well = dataclasses.replace(subject.loops[0], faults=Faults())
    for seed in range(20):
        (placed, depth), (usual, usual_depth) = (
            place(np.random.default_rng(seed), subject, loop) for loop in (subject.loops[0], well)
        )
        aside = abs(placed.across - usual.across)
        assert (aside == pytest.approx(2.6) and depth == usual_depth) or (aside == 0 and 5 < depth - usual_depth < 8)
