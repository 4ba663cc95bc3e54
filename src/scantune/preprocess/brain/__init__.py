"""A head as it leaves the scanner → its brain in a template's space: extraction, bias field, registration."""

from __future__ import annotations

from scantune.packaged import PackagedFile

#: Networks of deepbet (L. Fisch et al., Comput Biol Med 2024;179:108845): where the brain is about, and its outline.
BOX = PackagedFile(
    "deepbet",
    "data/models/bbox_model.pt",
    "39a7b2b5f799faa1391ea97bfcdc0b9299f20d84f2316a4ff8918dc4685e40aa",
    "brain",
    "MIT",
)
OUTLINE = PackagedFile(
    "deepbet",
    "data/models/model.pt",
    "de8ee7c69654d0dd3935dc4a5d84571d8ecf4637a6bfc01df399c4c2bc86e0fd",
    "brain",
    "MIT",
)
#: ICBM 2009a nonlinear symmetric T1 average, without skull, 1 mm (V. Fonov et al., NeuroImage 2011;54:313).
TEMPLATE = PackagedFile(
    "nilearn",
    "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz",
    "421a10e872fd6cadae7f61d358dffbcc1795a497d61ee76c5dda2503e1a1e9e6",
    "brain",
    "ICBM (free to use, copyright notice kept)",
)
#: Packages whose version the result depends on.
PACKAGES = ("deepbet", "nilearn")


def tools() -> dict[str, tuple[PackagedFile, tuple[int, ...]]]:
    """Purpose → file in a package and size of its input or content, voxels."""
    return {
        "brain extraction (T1 MRI)": (OUTLINE, (256, 256, 256)),
        "template of the brain (MNI152)": (TEMPLATE, (197, 233, 189)),
    }
