"""Frames of a DICOM file: uncompressed by offset, compressed by pydicom's decoders in the order that measured best."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.encaps import encapsulate, generate_fragments, generate_frames, parse_basic_offsets
from pydicom.pixels import get_decoder
from pydicom.uid import (
    UID,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from scantune.io import codestream
from scantune.io.dicom_file import DicomFile
from scantune.io.dicom_meaning import Meaning, meaning_of
from scantune.io.dicom_native import check_length, encapsulated, in_stored_bits, native_frames, read_native
from scantune.records import ReadError

#: By transfer syntax, which of pydicom's plug-ins to ask first: measured per codec on 2048², 12 bit. The others follow.
_PLUGINS = {
    "1.2.840.10008.1.2.4.50": ("pylibjpeg", "pillow", "gdcm"),
    "1.2.840.10008.1.2.4.51": ("pylibjpeg", "pillow", "gdcm", "simpleitk"),
    "1.2.840.10008.1.2.4.57": ("pylibjpeg", "gdcm"),
    "1.2.840.10008.1.2.4.70": ("pylibjpeg", "gdcm"),
    "1.2.840.10008.1.2.4.80": ("pyjpegls", "pylibjpeg", "gdcm"),
    "1.2.840.10008.1.2.4.81": ("pyjpegls", "pylibjpeg", "gdcm"),
    "1.2.840.10008.1.2.4.90": ("pylibjpeg", "pillow", "gdcm"),
    "1.2.840.10008.1.2.4.91": ("pylibjpeg", "pillow", "gdcm"),
    "1.2.840.10008.1.2.5": ("pylibjpeg", "pydicom"),
}
#: GDCM ends the process on some damaged frames (an uncaught C++ exception), so it, and SimpleITK which brings another
#: one along, are asked in a child process only, after the others. `isolation` sets the variable for its children.
_CRASHING = ("gdcm", "simpleitk")
MAY_CRASH = os.environ.get("SCANTUNE_CHILD") == "1"


class Pixels:
    """The frames of one file, each decoded when it is asked for.

    Attributes:
        file: the file.
        meaning: of its stored values.
        decoder: what decoded the latest frame.
    """

    def __init__(self, file: DicomFile, meaning: Meaning | None = None) -> None:
        self.file = file
        self.decoder = "numpy"
        self.meaning = meaning_of(file) if meaning is None else meaning
        self._native = None if file.compressed else native_frames(file, self.meaning)
        self._dataset: pydicom.Dataset | None = None
        self._streams: list[bytes] | None = None

    def frame(self, index: int) -> np.ndarray:
        """Frame ``index`` as stored values [H, W], or as RGB [H, W, 3]; YBR is converted to RGB.

        Raises:
            ReadError: cut short, damaged, or in an encoding that nothing here decodes.
        """
        if self._native is not None and self.file.photometric not in ("YBR_FULL",):
            return read_native(self.file, self.meaning, self._native, index)
        pixels = self._decoded(self.streams()[index]) if self.file.compressed else self._by_pydicom(index)
        return in_stored_bits(pixels, self.file, self._right_aligned()) if pixels.ndim == 2 else pixels

    def _right_aligned(self) -> Meaning:
        """A decoder gives the values of a codestream without the bits below them."""
        coded = self.file.compressed and self.file.syntax != RLELossless
        return replace(self.meaning, high=None) if coded else self.meaning

    def streams(self) -> list[bytes]:
        """The compressed frames, one bytes object each."""
        if self._streams is None:
            data, offsets = encapsulated(self.file), None
            if data is None:
                dataset = self._pixel_dataset()
                if "PixelData" not in dataset:
                    raise ReadError("the file has no pixel data, or is cut before it", str(self.file.path))
                data = dataset.PixelData
                if "ExtendedOffsetTable" in dataset and "ExtendedOffsetTableLengths" in dataset:
                    offsets = (dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths)
            try:
                self._check_count(data)
                frames = generate_frames(data, number_of_frames=self.file.n_frames, extended_offsets=offsets)
                self._streams = list(frames)
            except ReadError:
                raise
            except Exception as error:
                raise ReadError("the compressed pixel data is damaged", f"{self.file.path}: {error!r}") from error
            if len(self._streams) < self.file.n_frames:
                raise ReadError(
                    f"the pixel data is cut short: {len(self._streams)} of {self.file.n_frames} frames",
                    str(self.file.path),
                )
        return self._streams

    def _check_count(self, data: bytes) -> None:
        """Refuse more compressed frames than the header states."""
        buffer, frames = BytesIO(data), self.file.n_frames
        listed = parse_basic_offsets(buffer)
        fragments = list(generate_fragments(buffer))
        heads = [at for at, fragment in enumerate(fragments) if codestream.parse(fragment) is not None]
        count = len(fragments) if self.file.syntax == RLELossless else len(heads)
        if count > frames or len(listed) > frames:
            words = "NumberOfFrames is missing" if not self.file.text("NumberOfFrames") else f"the header says {frames}"
            raise ReadError(f"the pixel data holds {max(count, len(listed))} frames where {words}", str(self.file.path))

    def _pixel_dataset(self) -> pydicom.Dataset:
        if self._dataset is None:
            tags = ["PixelData", "FloatPixelData", "DoubleFloatPixelData", *_GROUP28]
            self._dataset = pydicom.dcmread(self.file.path, force=True, specific_tags=tags)
        return self._dataset

    def _decoded(self, stream: bytes) -> np.ndarray:
        """One compressed frame.

        Words come as they are, so that `in_stored_bits` cuts them: pydicom itself takes the lowest bits for the stored
        ones whatever the high bit. What is not words (JPEG, JPEG-LS, JPEG 2000) has the stored bits alone.
        """
        file, meaning = self.file, self.meaning
        parsed = codestream.check(stream, file.rows, file.columns, meaning.samples)
        stored = meaning.stored or meaning.allocated
        if parsed is not None and meaning.high not in (None, stored - 1) and parsed.precision != stored:
            raise ReadError(
                f"HighBit is {meaning.high} where BitsStored is {stored} and compressed values have "
                f"{parsed.precision} bits"
            )
        if parsed is not None:
            wrong = codestream.contradiction(parsed, _family(file.syntax), file.photometric, meaning.signed)
            if wrong:
                raise ReadError(wrong, str(file.path))
        options: dict[str, Any] = {
            "rows": file.rows,
            "columns": file.columns,
            "samples_per_pixel": meaning.samples,
            "bits_allocated": meaning.allocated,
            "bits_stored": meaning.allocated if file.syntax == RLELossless else meaning.stored,
            "pixel_representation": int(bool(meaning.signed)),
            "photometric_interpretation": file.photometric,
            "number_of_frames": 1,
            "pixel_keyword": "PixelData",
        }
        if meaning.samples > 1:
            options["planar_configuration"] = file.integer("PlanarConfiguration")
        packed = encapsulate([stream], has_bot=False)
        return self._ask(packed, options)

    def _by_pydicom(self, index: int) -> np.ndarray:
        dataset, meaning = self._pixel_dataset(), self.meaning
        if "PixelData" in dataset and meaning.allocated >= 8 and self.file.photometric != "YBR_FULL_422":
            frame = self.file.rows * self.file.columns * meaning.samples * meaning.allocated // 8
            check_length(len(dataset.PixelData), frame, self.file)
        return self._ask(dataset, {"index": index, "bits_stored": meaning.allocated})

    def _ask(self, source: Any, options: dict[str, Any]) -> np.ndarray:
        syntax = self.file.syntax or ("1.2.840.10008.1.2" if self.file.implicit else "1.2.840.10008.1.2.1")
        try:
            decoder = get_decoder(UID(syntax))
        except NotImplementedError as error:
            raise ReadError(f"no installed decoder reads its transfer syntax, {syntax_name(self.file)}") from error
        complaints = []
        if not isinstance(source, pydicom.Dataset):
            options = options | {"transfer_syntax_uid": UID(syntax)}
        for plugin in _PLUGINS.get(syntax, ("",)):
            if plugin in _CRASHING and not MAY_CRASH:
                complaints.append(f"{plugin}: used in a child process only")
                continue
            try:
                if plugin == "simpleitk":
                    array = _by_simpleitk(source, options)
                else:
                    array, _ = decoder.as_array(source, raw=False, decoding_plugin=plugin, **options)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # damaged bytes: a decoder raises anything, one in Rust a panic
                complaints.append(f"{plugin or 'pydicom'}: {error!r}")
                continue
            self.decoder = plugin or "pydicom"
            return array
        codec = f"the pixel data ({syntax_name(self.file)}, {self.meaning.stored} bits) cannot be decoded"
        raise ReadError(codec, f"{self.file.path}: {'; '.join(complaints)}")


def _family(syntax: str) -> str:
    """What the frames of a transfer syntax are, "" for others than these."""
    uid = UID(syntax)
    if uid in JPEG2000TransferSyntaxes:
        return "JPEG 2000"
    return "JPEG-LS" if uid in JPEGLSTransferSyntaxes else "JPEG" if uid in JPEGTransferSyntaxes else ""


def _by_simpleitk(packed: bytes, options: dict[str, Any]) -> np.ndarray:
    """A frame of JPEG Extended with 12 bits, which none of pydicom's plug-ins decodes: stored values [H, W].

    SimpleITK reads files and applies their rescale, so the frame is put into one that has nothing else.
    """
    import SimpleITK as sitk

    if options["samples_per_pixel"] != 1:
        raise ValueError("colours of 12 bits")
    bare, meta = pydicom.Dataset(), pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = options["transfer_syntax_uid"]
    meta.MediaStorageSOPClassUID = bare.SOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = bare.SOPInstanceUID = UID("2.25.1")
    bare.file_meta, bare.Rows, bare.Columns, bare.SamplesPerPixel = meta, options["rows"], options["columns"], 1
    bare.PhotometricInterpretation, bare.PixelRepresentation = "MONOCHROME2", options["pixel_representation"]
    bare.BitsAllocated, bare.BitsStored = options["bits_allocated"], options["bits_stored"]
    bare.HighBit, bare.PixelData = options["bits_stored"] - 1, packed
    bare["PixelData"].is_undefined_length = True
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.dcm"
        bare.save_as(path, enforce_file_format=True)
        return np.squeeze(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), axis=0)


_GROUP28_WORDS = """
SamplesPerPixel PhotometricInterpretation PlanarConfiguration NumberOfFrames Rows Columns BitsAllocated BitsStored
HighBit PixelRepresentation ExtendedOffsetTable ExtendedOffsetTableLengths
"""
_GROUP28 = _GROUP28_WORDS.split()


def syntax_name(file: DicomFile) -> str:
    """The transfer syntax in the standard's words, "private or unknown" for one that it does not have."""
    uid = UID(file.syntax or ("1.2.840.10008.1.2" if file.implicit else "1.2.840.10008.1.2.1"))
    return uid.name if uid.name != uid else "private or unknown"
