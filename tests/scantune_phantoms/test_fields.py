import numpy as np
import pytest

from scantune_phantoms import fields
from scantune_phantoms.cohort import generator, side_by_side, write_table


def test_each_thing_drawn_has_a_generator_of_its_own():
    assert generator(3, "loes", 1).random() == generator(3, "loes", 1).random()
    drawn = {generator(*key).random() for key in [(3, "loes", 1), (3, "loes", 2), (4, "loes", 1), (3, "echo", 1)]}
    assert len(drawn) == 4


def test_smooth_fields_have_their_shape_and_are_smooth_along_every_axis():
    rng = np.random.default_rng(0)
    assert fields.smooth_2d(rng, (40, 60), (4, 6)).shape == (40, 60)
    field = fields.smooth_3d(rng, (80, 84, 92), (5, 5, 5))  # D, H, W
    assert field.shape == (80, 84, 92)
    assert field.dtype == np.float32
    for axis in range(3):
        assert np.abs(np.diff(field, axis=axis)).max() < 0.5 * field.std()


def test_a_smooth_field_in_space_keeps_its_axes_apart():
    """Knots that differ along one axis alone give a field that varies along that axis alone."""
    for axis in range(3):
        knots = np.zeros((4, 5, 6), np.float32)
        np.moveaxis(knots, axis, 0)[1] = 1.0

        class Drawn:
            def standard_normal(self, shape, knots=knots):
                return knots.reshape(shape)

        field = fields.smooth_3d(Drawn(), (16, 20, 24), (4, 5, 6))
        spread = [float(np.ptp(field, axis=other).max()) for other in range(3)]
        assert spread[axis] > 0.9
        assert max(spread[other] for other in range(3) if other != axis) < 1e-5


def test_grain_and_clouds_have_unit_spread():
    rng = np.random.default_rng(0)
    assert fields.grain(rng, (64, 64), 2.0).std() == pytest.approx(1, abs=1e-3)
    assert fields.clouds(rng, (64, 64), 4, 3).std() == pytest.approx(1, abs=1e-3)


def test_step_goes_up_and_down():
    assert fields.step(np.array([0.0, 1.0, 1.5, 2.0, 3.0]), 1, 2).tolist() == [0, 0, 0.5, 1, 1]
    assert fields.step(np.array([0.0, 1.5, 3.0]), 2, 1).tolist() == [1, 0.5, 0]


def test_side_by_side_keeps_the_order():
    jobs = [(number, 2) for number in range(9)]
    assert side_by_side(pow, jobs, 2) == side_by_side(pow, jobs, 1) == [number**2 for number in range(9)]


def test_table_is_plain_utf8_with_unix_line_ends(tmp_path):
    path = write_table(
        tmp_path / "t.csv", [{"name": "Ärztin", "grade": None}, {"name": "x", "grade": 0}], delimiter=";"
    )
    assert path.read_bytes() == "name;grade\nÄrztin;\nx;0\n".encode()
