"""Files to arrays with geometry, and back. Only this package imports pydicom and nibabel, when a file needs them.

>>> from scantune import io
>>> volume = io.read("scan.nii.gz")                            # doctest: +SKIP
>>> loop = io.open_video("loop.dcm").frames(range(0, 60, 4), grey=True)   # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from scantune.io.arrays import Image, Limits, SeriesRule, Video, Volume, VolumeRule

if TYPE_CHECKING:
    from scantune.io.cine_writer import write_cine as write_cine
    from scantune.io.cine_writer import write_video as write_video
    from scantune.io.data_files import only_data as only_data
    from scantune.io.detect import kind_of as kind_of
    from scantune.io.dicom_image_masks import read_image_mask as read_image_mask
    from scantune.io.dicom_labels import SeriesLabel as SeriesLabel
    from scantune.io.dicom_labels import read_series_label as read_series_label
    from scantune.io.dicom_masks import is_mask_object as is_mask_object
    from scantune.io.dicom_masks import read_mask_object as read_mask_object
    from scantune.io.dicom_reading import files_read as files_read
    from scantune.io.dicom_seg import NoSlices as NoSlices
    from scantune.io.dicom_seg import write_image_segmentation as write_image_segmentation
    from scantune.io.dicom_seg import write_segmentation as write_segmentation
    from scantune.io.dicom_sr import Measured as Measured
    from scantune.io.dicom_sr import Origin as Origin
    from scantune.io.dicom_sr import write_report as write_report
    from scantune.io.dicom_writer import compressions as compressions
    from scantune.io.dicom_writer import write_dicom_image as write_dicom_image
    from scantune.io.dicom_writer import write_dicom_series as write_dicom_series
    from scantune.io.dicom_writer import write_enhanced as write_enhanced
    from scantune.io.extent import Extent as Extent
    from scantune.io.extent import read_extent as read_extent
    from scantune.io.geometry import same_geometry as same_geometry
    from scantune.io.identity import NAMED_BY as NAMED_BY
    from scantune.io.identity import find_identifying as find_identifying
    from scantune.io.identity import identifying_in as identifying_in
    from scantune.io.identity import read_ids as read_ids
    from scantune.io.identity import read_owner as read_owner
    from scantune.io.identity import read_texts as read_texts
    from scantune.io.loop import Loop as Loop
    from scantune.io.mask_grid import onto_image as onto_image
    from scantune.io.nifti_masks import write_nifti_like as write_nifti_like
    from scantune.io.nifti_masks import write_nifti_slice_like as write_nifti_slice_like
    from scantune.io.nifti_writer import write_nifti as write_nifti
    from scantune.io.reading import family_of as family_of
    from scantune.io.reading import open_video as open_video
    from scantune.io.reading import read as read
    from scantune.io.still_writer import write_png as write_png

_LATER = {
    "read": "reading",
    "open_video": "reading",
    "family_of": "reading",
    "Loop": "loop",
    "kind_of": "detect",
    "only_data": "data_files",
    "files_read": "dicom_reading",
    "Extent": "extent",
    "read_extent": "extent",
    "same_geometry": "geometry",
    "onto_image": "mask_grid",
    "find_identifying": "identity",
    "identifying_in": "identity",
    "read_ids": "identity",
    "read_owner": "identity",
    "read_texts": "identity",
    "NAMED_BY": "identity",
    "write_cine": "cine_writer",
    "write_video": "cine_writer",
    "compressions": "dicom_writer",
    "write_dicom_image": "dicom_writer",
    "write_dicom_series": "dicom_writer",
    "write_enhanced": "dicom_writer",
    "write_nifti": "nifti_writer",
    "write_nifti_like": "nifti_masks",
    "write_nifti_slice_like": "nifti_masks",
    "write_png": "still_writer",
    "Measured": "dicom_sr",
    "Origin": "dicom_sr",
    "write_report": "dicom_sr",
    "write_segmentation": "dicom_seg",
    "NoSlices": "dicom_seg",
    "is_mask_object": "dicom_masks",
    "read_mask_object": "dicom_masks",
    "read_image_mask": "dicom_image_masks",
    "SeriesLabel": "dicom_labels",
    "read_series_label": "dicom_labels",
    "write_image_segmentation": "dicom_seg",
}

__all__ = ["Image", "Limits", "SeriesRule", "Video", "Volume", "VolumeRule", *_LATER]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"scantune.io has no {name!r}")
    value = getattr(importlib.import_module(f"scantune.io.{_LATER[name]}"), name)
    globals()[name] = value
    return value
