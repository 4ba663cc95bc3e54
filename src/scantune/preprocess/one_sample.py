"""A folder to be answered as one sample: refused where it holds images that its one answer would not be about."""

from __future__ import annotations

from pathlib import Path

from scantune import io
from scantune.amounts import number_of
from scantune.preprocess.sources import parts
from scantune.records import ReadError

#: What a modality is read from beside DICOM; other files (texts, the thumbnails of a volume) are no samples.
_SAMPLES = {
    "image": {"still", "animation", "nifti", "itk"},
    "video": {"video", "animation"},
    "volume": {"nifti", "itk"},
}


def refuse_others(path: Path, modality: str) -> None:
    """Refuse a folder with files, beside DICOM, that are samples of their own: which of them is meant is not said.

    Args:
        path: a file, which is what it is, or a folder.
        modality: of the input.

    Raises:
        ReadError: with their number; the reason names no file.
    """
    if not path.is_dir():
        return
    files = parts(path)
    data = io.only_data(files)
    families = [io.family_of(file) for file in files if file not in data]
    others = sum(family in _SAMPLES[modality] for family in families)
    if others:
        dicom = families.count("dicom")
        beside = f"{number_of(dicom, 'DICOM file')} and {others} other" if dicom else f"{others}"
        raise ReadError(
            f"the folder holds {beside} {modality}{'s' if others > 1 else ''}: a folder is one sample "
            "where it holds one DICOM series alone; name each file in a row of its own",
            str(path),
        )
