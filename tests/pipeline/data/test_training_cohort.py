"""Which DICOM modalities are none that a model was trained on."""

from __future__ import annotations

import pytest

from scantune.pipeline.data.training_cohort import is_foreign


@pytest.mark.parametrize(
    ("modality", "known", "foreign"),
    [
        ("CT", {"MR"}, True),
        ("MR", {"MR", "CT"}, False),
        ("DX", {"CR"}, False),  # radiographs, as another machine names them
        ("RF", {"XA"}, False),
        ("XA", {"CR"}, True),
        ("OT", {"MR"}, False),  # a file that does not say
        ("", {"MR"}, False),
        ("MR", {"OT", "CT"}, False),  # a cohort that does not say
        ("MR", set(), False),
    ],
)
def test_a_modality_is_foreign_where_both_are_known(modality: str, known: set[str], foreign: bool) -> None:
    assert is_foreign(modality, known) is foreign
