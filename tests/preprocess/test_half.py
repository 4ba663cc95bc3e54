import numpy as np

from scantune.preprocess.half import narrowed, widened


def test_narrowing_is_numpys_to_the_bit_and_widening_exact():
    rng = np.random.default_rng(0)
    values = np.concatenate(
        [
            rng.normal(0, scale, 4096).astype(np.float32)
            for scale in (1e-8, 1e-6, 1e-4, 1.0, 1e3, 2e4)  # below, at and above the smallest normal number
        ]
        + [np.array([0.0, -0.0, 65504.0, -65504.0, 1.00048828125], np.float32)]
    )
    values = values[np.abs(values) <= 65504]
    for array in (values, values[:4096].reshape(4, 8, 128), values[:4096].reshape(64, 64).T, values[:0],
                  values[:4].reshape(4, 1), values[:4].reshape(1, 4), values[:4], values[:1]):  # fmt: skip
        assert narrowed(array).dtype == np.float16
        assert np.array_equal(narrowed(array), array.astype(np.float16))
    every = np.arange(65536, dtype=np.uint16).view(np.float16)
    assert np.array_equal(widened(every), every.astype(np.float32), equal_nan=True)
