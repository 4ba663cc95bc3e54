"""The handwritten digits that scikit-learn brings along: real pictures, the smallest cohort there is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scantune_phantoms.cohort import Cohort, choice, generator, write_readme, write_table

_README = """
1,797 digits written by 43 people, 8 × 8 grey levels, from the test part of "Optical Recognition of Handwritten Digits"
(E. Alpaydin, C. Kaynak, 1998, UCI Machine Learning Repository, https://doi.org/10.24432/C50P49, CC BY 4.0), as
scikit-learn brings them. Real, not synthetic. Who wrote which digit is not in the data, so each digit is a subject.
"""


def write(
    out_dir: Path, *, seed: int = 0, workers: int = 1, n: int = 1797, layout: str = "table", val_fraction: float = 0.2
) -> Cohort:
    """Write the digits as 8 × 8 grey PNG, the source's 0–16 spread over 0–255.

    Args:
        out_dir: the folder to fill.
        seed: of which digits are taken where ``n`` < 1797, and of the side of each in class folders.
        workers: not used; it takes a second.
        n: how many digits.
        layout: "table" (``images/*.png`` and ``cohort.csv`` with sample_id, file, label) or "folders"
            (``train/<digit>/*.png`` and ``val/<digit>/*.png``, no table).
        val_fraction: share of the digits below ``val/``.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    choice("layout", layout, ("table", "folders"))
    source = load_digits()
    pixels = np.rint(source.images * (255 / 16)).astype(np.uint8)  # N, H, W
    rng = generator(seed, "digits")
    order = np.arange(len(pixels))
    taken = order if n >= len(pixels) else np.sort(rng.permutation(order)[:n])
    held_out = rng.random(len(pixels)) < val_fraction
    rows = []
    for index in taken:
        sample_id, label = f"digit-{index:04d}", int(source.target[index])
        place = f"images/{sample_id}.png"
        if layout == "folders":
            place = f"{'val' if held_out[index] else 'train'}/{label}/{sample_id}.png"
        path = out_dir / place
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[index]).save(path, optimize=False)
        rows.append({"sample_id": sample_id, "file": place, "label": label})
    write_readme(out_dir, "Handwritten digits", _README)
    table = write_table(out_dir / "cohort.csv", rows) if layout == "table" else None
    return Cohort("digits", out_dir, table, len(rows), len(rows))
