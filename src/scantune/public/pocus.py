"""Lung ultrasound of the COVID-19 POCUS collection: loops of five formats, named by a column without their endings."""

from __future__ import annotations

from pathlib import Path

from scantune.proposal.source import FILE
from scantune.proposal.tables import of_table
from scantune.public.entry import WRITTEN, PublicCohort, PublicData, RemoteFile, layout

_COLUMNS = {"Label": "label", "Probe": "probe", "Gender": "sex", "Age": "age", "License": "licence"}
_SUBJECT = "Patient ID / Name"


def prepare(source: Path, out: Path) -> tuple[Path, list[PublicCohort]]:
    """The loops that are there; without a patient's name one is a subject. Viral pneumonia (five people) is out."""
    root = layout(source, ["dataset_metadata.csv", "pocus_videos"])
    source_table = of_table(root / "dataset_metadata.csv", root, "pocus")
    rows = [
        {
            "sample_id": Path(row[FILE]).with_suffix("").as_posix().replace("pocus_videos/", "").replace("/", "_"),
            "file": row[FILE],
            "subject": row[_SUBJECT] or Path(row[FILE]).stem,
            **{name: row[column] for column, name in _COLUMNS.items()},
        }
        for row in source_table.rows
    ]
    dataset = {
        **WRITTEN,
        "subject": "subject",
        "targets": ["label"],
        "where": {"label": {"exclude": ["Viral pneumonia"]}},
        "groups": ["probe", "sex"],
        "split": {"method": "stratified", "on": "label", "fractions": [0.7, 0.15, 0.15], "seed": 42},
    }
    task = {"name": "classification", "target": "label", "classes": ["COVID-19", "Bacterial pneumonia", "regular"]}
    return root, [PublicCohort("pocus", dataset, task, rows=rows, notes=source_table.notes)]


ENTRIES = (
    PublicData(
        "pocus",
        "some 130 loops of lung ultrasound: COVID-19, bacterial pneumonia, regular",
        "https://github.com/jannisborn/covid19_ultrasound",
        "a licence for each loop, column `licence`: CC BY 4.0 to CC BY-NC-SA 4.0",
        prepare,
        (
            RemoteFile(
                "https://codeload.github.com/jannisborn/covid19_ultrasound/zip/refs/heads/master",
                "covid19_ultrasound.zip",
            ),
        ),
        "accuracy of videos in five folds, an earlier and smaller release: .92 (Born 2021)",
    ),
)
