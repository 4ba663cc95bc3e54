"""Reporting checklists: each item filled from the run's facts, or marked as the author's to fill.

Sources: CLAIM, 2024 update (Tejani et al., Radiology: Artificial Intelligence 2024;6:e240300, doi 10.1148/ryai.240300),
44 items; TRIPOD+AI (Collins et al., BMJ 2024;385:e078378, doi 10.1136/bmj-2023-078378), 27 items with their parts.
Numbers and sections are the published ones; the descriptions are abridged, and the published text is authoritative.
"""

from __future__ import annotations

from scantune.report.claim import CLAIM
from scantune.report.items import Item
from scantune.report.tripod import TRIPOD


def checklists() -> dict[str, tuple[Item, ...]]:
    """Title to items."""
    return {"CLAIM, 2024 update": CLAIM, "TRIPOD+AI": TRIPOD}


SOURCES = {
    "CLAIM, 2024 update": "Tejani et al., Radiology: Artificial Intelligence 2024;6:e240300, doi 10.1148/ryai.240300",
    "TRIPOD+AI": "Collins et al., BMJ 2024;385:e078378, doi 10.1136/bmj-2023-078378",
}
"""Title to where the checklist was published."""
