"""Names of files: without their ending, and those that are of no image."""

from __future__ import annotations

import re

TABLES = (
    ".csv", ".tsv", ".xlsx", ".txt", ".xls", ".xlsm", ".xlsb", ".ods", ".parquet", ".dta", ".sav", ".zsav", ".rds",
    ".rda", ".rdata", ".sas7bdat", ".xpt", ".feather",
)  # fmt: skip
NO_IMAGES = {
    *TABLES, ".json", ".md", ".yaml", ".yml", ".db", ".ini", ".html", ".pdf", ".dvc", ".sh", ".py", ".bval",
    ".bvec", ".log", ".xml", ".zip", ".tar", ".tgz", ".cfg", ".gitignore", ".mat", ".pkl", ".npz", ".pth",
}  # fmt: skip
"""Endings of files that are listed as no images."""
IMAGES = (
    ".nii", ".nii.gz", ".nrrd", ".nrrd.gz", ".nhdr", ".mha", ".mha.gz", ".mhd", ".dcm", ".dcm.gz", ".dicom", ".ima",
    ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".avi", ".mp4", ".mov", ".mkv", ".mpeg",
    ".mpg", ".wmv", ".m4v", ".webm", ".vob", ".mts", ".m2ts",
)  # fmt: skip
"""Endings of images that are read."""
ENDING = re.compile(r"(\.(nii|seg\.nrrd|nrrd|nhdr|mha|mhd|dcm|dicom)\.gz|\.seg\.nrrd|\.[a-z][a-z0-9]{0,5})$", re.I)

UPLOADED = re.compile(r"^([0-9a-f]{8}-|\?d=)(?=.)")
"""What Label Studio writes before the name of a file."""


def stem(name: str) -> str:
    """A file's name without folder and ending, in lower case: that of ``a/B.nii.gz`` is ``b``."""
    return ENDING.sub("", name.rpartition("/")[2]).strip().lower()
