"""Attributes that change what a stored value means: read as the standard says, or refused by name and value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless, RLELossless

from scantune import io
from scantune.records import ReadError
from tests.io.files import edit, refused, series, volume


def raw(dataset: pydicom.Dataset, keyword: str, value: bytes, vr: str = "DS") -> None:
    """Put an element in as its bytes, which pydicom would not take."""
    tag, value = Tag(keyword), value + b" " * (len(value) % 2)
    dataset._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)


def ct(folder: Path, change: Callable[[pydicom.Dataset, int], object] = lambda dataset, k: None) -> Path:
    """A CT series whose rescale matters; each slice changed."""
    paths = series(folder, volume(), modality="CT")
    for k, path in enumerate(paths):
        edit(path, lambda dataset, k=k: change(dataset, k))
    return folder


def image(path: Path, pixels: np.ndarray, **options: object) -> Path:
    settings: dict = {"patient_id": "phantom-1", "seed": "a"} | options
    return io.write_dicom_image(path, pixels, **settings)


def loop(path: Path, frames: np.ndarray) -> Path:
    """A cine loop of stored grey [T, H, W], uncompressed."""
    image(path, frames[0], modality="US", tags={"NumberOfFrames": len(frames), "FrameTime": "40"})
    edit(path, lambda dataset: setattr(dataset, "PixelData", frames.tobytes()))
    return path


@pytest.mark.parametrize("slices", [[3], range(8)])
def test_a_decimal_comma_is_a_point_and_noted(tmp_path: Path, slices: list[int]) -> None:
    plain = io.read(ct(tmp_path / "plain")).array

    def change(dataset: pydicom.Dataset, k: int) -> None:
        if k in slices:
            value = f"{float(dataset.RescaleIntercept):.1f}".replace(".", ",")
            raw(dataset, "RescaleIntercept", value.encode())

    loaded = io.read(ct(tmp_path / "comma", change))
    np.testing.assert_array_equal(loaded.array, plain)
    assert any("decimal comma" in note for note in loaded.facts["notes"])


@pytest.mark.parametrize(
    "value, vr, words",
    [
        (b"-1,024", "DS", "instance 4: RescaleIntercept is not a number: '-1,024'"),
        (b"none", "DS", "instance 4: RescaleIntercept is not a number: 4 bytes that are no number"),
        (b"0\\1", "DS", "instance 4: RescaleIntercept has 2 values where one belongs: 0, 1"),
        (b"nan ", "DS", "instance 4: RescaleIntercept is nan"),
        (b"0 ", "US", "instance 4: RescaleIntercept is not a number: '0' in the value representation US"),
        (b"", "DS", "instance 4: RescaleIntercept is missing where RescaleSlope is 1"),
    ],
)
def test_a_rescale_that_cannot_be_read_is_refused_by_name_and_value(
    tmp_path: Path, value: bytes, vr: str, words: str
) -> None:
    folder = ct(tmp_path / "s", lambda dataset, k: raw(dataset, "RescaleIntercept", value, vr) if k == 3 else None)
    assert words in refused(folder).reason


@pytest.mark.parametrize("vr", ["LO", "UT", "UN", "IS"])
def test_a_number_in_another_value_representation_is_the_number(tmp_path: Path, vr: str) -> None:
    plain = io.read(ct(tmp_path / "plain")).array

    def change(dataset: pydicom.Dataset, k: int) -> None:
        text = str(int(dataset.RescaleIntercept)).encode()
        raw(dataset, "RescaleIntercept", text, vr)

    np.testing.assert_array_equal(io.read(ct(tmp_path / "s", change)).array, plain)


def test_slices_without_the_others_rescale_are_refused(tmp_path: Path) -> None:
    def lose(dataset: pydicom.Dataset, k: int) -> None:
        if k == 3:
            del dataset.RescaleSlope, dataset.RescaleIntercept

    assert "instance 4: RescaleSlope and RescaleIntercept are missing" in refused(ct(tmp_path / "ct", lose)).reason
    paths = series(tmp_path / "mr", rescale="slice")
    edit(paths[3], lambda dataset: lose(dataset, 3))
    assert "a rescale (RescaleSlope, RescaleIntercept) differs by slice" in refused(tmp_path / "mr").reason


def test_a_rescale_that_differs_by_slice_is_noted(tmp_path: Path) -> None:
    def change(dataset: pydicom.Dataset, k: int) -> None:
        dataset.RescaleIntercept = -5 if k == 3 else 0

    loaded = io.read(ct(tmp_path / "s", change))
    assert "the rescale differs by slice: intercept -5 … 0 (2 values)" in loaded.facts["notes"]


@pytest.mark.parametrize(
    "keyword, value, words",
    [
        ("PhotometricInterpretation", "MONOCHROME1", "PhotometricInterpretation differs by slice: instance 4"),
        ("PixelRepresentation", 0, "PixelRepresentation differs by slice: instance 4 has 0, the others have 1"),
        ("RescaleType", "OD", "RescaleType differs by slice: instance 4 has OD, the others have HU"),
        ("EchoTime", 7.38, "2 volumes in one series"),
        ("ImageType", ["ORIGINAL", "PRIMARY", "PHASE"], "2 volumes in one series"),
    ],
)
def test_what_gives_values_their_meaning_must_agree_within_a_volume(
    tmp_path: Path, keyword: str, value: object, words: str
) -> None:
    folder = ct(tmp_path / "s", lambda dataset, k: setattr(dataset, keyword, value) if k == 3 else None)
    assert words in refused(folder).reason


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_high_bits_are_brought_down(tmp_path: Path, syntax: str) -> None:
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    path = image(tmp_path / "a.dcm", pixels, bits=12)

    def change(dataset: pydicom.Dataset) -> None:
        dataset.PixelData, dataset.HighBit = (pixels << 4).tobytes(), 15
        dataset.file_meta.TransferSyntaxUID = syntax

    edit(path, change)
    np.testing.assert_array_equal(io.read(path).array[0], pixels)
    edit(path, lambda dataset: setattr(dataset, "HighBit", 10))
    assert "HighBit is 10 where BitsStored is 12 of 16 allocated bits" in refused(path).reason


@pytest.mark.parametrize(
    "keyword, words",
    [
        ("BitsStored", "BitsStored is missing"),
        ("BitsAllocated", "the header states 12 stored of None allocated bits"),
        ("PixelRepresentation", "PixelRepresentation is missing, and a pixel is 4095, or -1 if signed"),
        ("PhotometricInterpretation", "does not state the photometric interpretation"),
    ],
)
def test_a_missing_description_of_the_pixels_is_refused_where_it_matters(
    tmp_path: Path, keyword: str, words: str
) -> None:
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    path = image(tmp_path / "a.dcm", pixels, bits=12)
    edit(path, lambda dataset: delattr(dataset, keyword))
    assert words in refused(path).reason


def test_polarity_that_is_said_in_two_ways_is_refused(tmp_path: Path) -> None:
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    path = image(
        tmp_path / "a.dcm", pixels, bits=12, photometric="MONOCHROME1", tags={"PresentationLUTShape": "INVERSE"}
    )
    assert "MONOCHROME1 inverted" in io.read(path).facts["notes"]
    edit(path, lambda dataset: setattr(dataset, "PresentationLUTShape", "IDENTITY"))
    assert "PresentationLUTShape is IDENTITY where PhotometricInterpretation is MONOCHROME1" in refused(path).reason


@pytest.mark.parametrize("frames, message", [(None, "4 frames where NumberOfFrames is missing"), (2, "4 frames where")])
def test_pixels_of_more_frames_than_stated_are_refused(tmp_path: Path, frames: int | None, message: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (4, 20, 30)).astype(np.uint8)
    for syntax in (None, RLELossless, *([JPEGLSLossless] if "jpeg-ls" in io.compressions() else [])):
        path = loop(tmp_path / "a.dcm", pixels)

        def change(dataset: pydicom.Dataset, syntax: str | None = syntax) -> None:
            if syntax is not None:
                dataset.compress(syntax)
            dataset.NumberOfFrames = frames
            if frames is None:
                del dataset.NumberOfFrames

        edit(path, change)
        assert message in refused(path, kind="video" if frames else None).reason


def _table(entries: np.ndarray, first: int = 0) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries) % 65536, first, 16])
    item.add_new("LUTData", "OW", entries.astype(np.uint16).tobytes())
    item.ModalityLUTType = "US"
    return item


def test_monochrome1_is_inverted_within_the_modality_table(tmp_path: Path) -> None:
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    path = image(tmp_path / "a.dcm", pixels, bits=12, photometric="MONOCHROME1", modality="CR")

    def change(dataset: pydicom.Dataset) -> None:
        dataset.ModalityLUTSequence = Sequence([_table(np.arange(4096) * 2 + 100)])

    edit(path, change)
    result = io.read(path).array[0]
    np.testing.assert_array_equal(result, 8290 + 100 - (pixels * 2.0 + 100))
    edit(path, lambda dataset: setattr(dataset.ModalityLUTSequence[0], "LUTDescriptor", [4096, 0, 8]))
    assert "where its descriptor states 8 bits" in refused(path).reason
    edit(path, lambda dataset: setattr(dataset.ModalityLUTSequence[0], "LUTDescriptor", [4096, 0, 12]))
    assert "has the entry 8290 where its descriptor states 12 bits" in refused(path).reason
    edit(path, lambda dataset: setattr(dataset.ModalityLUTSequence[0], "LUTDescriptor", [100, 0, 16]))
    assert "8192 bytes where its descriptor states 100 entries" in refused(path).reason


def test_a_modality_table_that_can_be_read_in_two_ways_is_refused(tmp_path: Path) -> None:
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    path = image(tmp_path / "a.dcm", pixels, bits=12, modality="CR")
    table = _table(np.arange(4096))
    edit(path, lambda dataset: setattr(dataset, "ModalityLUTSequence", Sequence([table, _table(np.arange(4096) * 2)])))
    assert "ModalityLUTSequence has 2 tables" in refused(path).reason
    table.add_new("LUTData", "SS", (np.arange(4096) - 1024).tolist())
    edit(path, lambda dataset: setattr(dataset, "ModalityLUTSequence", Sequence([table])))
    assert "LUTData of ModalityLUTSequence has the entry -1024; entries are not negative" in refused(path).reason


def test_the_modality_table_of_a_series_is_applied_and_must_agree(tmp_path: Path) -> None:
    values = io.Volume(np.abs(volume().array), volume().affine)
    paths = series(tmp_path / "s", values)
    plain = io.read(tmp_path / "s").array

    def change(dataset: pydicom.Dataset) -> None:
        dataset.ModalityLUTSequence = Sequence([_table(np.arange(2048) * 3 + 7)])

    for path in paths:
        edit(path, change)
    np.testing.assert_array_equal(io.read(tmp_path / "s").array, plain * 3 + 7)
    edit(paths[2], lambda dataset: delattr(dataset, "ModalityLUTSequence"))
    assert "ModalityLUTSequence differs by slice: instance 3 has none" in refused(tmp_path / "s").reason
    for path in paths:
        edit(path, lambda dataset: setattr(dataset, "RescaleSlope", "2"))
        edit(path, lambda dataset: setattr(dataset, "RescaleIntercept", "0"))
    edit(paths[2], change)
    assert "a modality LUT and a rescale too" in refused(tmp_path / "s").reason


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("entries", [np.arange(256) << 8, np.arange(256) * 257, np.arange(256)])
def test_a_palette_is_the_same_picture_in_every_encoding(tmp_path: Path, syntax: str, entries: np.ndarray) -> None:
    pixels = np.linspace(50, 101, 4096).astype(np.uint8).reshape(64, 64)

    def change(dataset: pydicom.Dataset) -> None:
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PhotometricInterpretation = "PALETTE COLOR"
        for colour in ("Red", "Green", "Blue"):
            dataset.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
            setattr(dataset, f"{colour}PaletteColorLookupTableData", entries.astype(np.uint16).tobytes())

    still = image(tmp_path / "a.dcm", pixels, modality="US")
    edit(still, change)
    result = io.read(still).array
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, np.stack([pixels] * 3))
    several = loop(tmp_path / "b.dcm", np.stack([pixels] * 4))
    edit(several, change)
    np.testing.assert_array_equal(io.read(several).frames[2], result.transpose(1, 2, 0))
    for bits, words in ((12, "the palette has entries of 12 bits"), (8, "where its descriptor states 8 bits")):
        if bits == 12 or entries.max() > 255:
            for colour in ("Red", "Green", "Blue"):
                name = f"{colour}PaletteColorLookupTableDescriptor"
                edit(still, lambda dataset, name=name, bits=bits: dataset.add_new(name, "US", [256, 0, bits]))
            assert words in refused(still).reason
    for colour in ("Red", "Blue"):
        name = f"{colour}PaletteColorLookupTableDescriptor"
        edit(still, lambda dataset, name=name: dataset.add_new(name, "US", [256, 0, 16]))
    edit(still, lambda dataset: dataset.add_new("GreenPaletteColorLookupTableDescriptor", "US", [256, 1, 16]))
    assert "the palette's descriptors differ by colour" in refused(still).reason
    edit(still, lambda dataset: delattr(dataset, "GreenPaletteColorLookupTableDescriptor"))
    assert "GreenPaletteColorLookupTableDescriptor has 0 values where 3 belong" in refused(still).reason


def test_padding_takes_the_lowest_value_of_the_others_or_is_kept(tmp_path: Path) -> None:
    of = volume()
    corner = np.zeros(of.array.shape, dtype=bool)
    corner[:, :2, :3] = True
    padded = io.Volume(np.where(corner, -2000, of.array).astype(np.float32), of.affine)
    for path in series(tmp_path / "s", padded):
        edit(path, lambda dataset: dataset.add_new("PixelPaddingValue", "SS", -2000))
    loaded = io.read(tmp_path / "s")
    low = of.array[~corner].min()
    np.testing.assert_array_equal(loaded.array, np.where(corner, low, of.array))
    assert "padding (PixelPaddingValue -2000) set to the lowest value of the other pixels" in loaded.facts["notes"]
    kept = io.read(tmp_path / "s", padding="keep")
    np.testing.assert_array_equal(kept.array, padded.array)
    edit(tmp_path / "s" / "0004.dcm", lambda dataset: delattr(dataset, "PixelPaddingValue"))
    assert "PixelPaddingValue differs by slice, and there is padding: instance 4" in refused(tmp_path / "s").reason


def test_padding_is_dark_where_monochrome1_is_inverted(tmp_path: Path) -> None:
    pixels = np.arange(100, 164, dtype=np.uint16).reshape(8, 8)
    pixels[:, 0] = 4000
    path = image(tmp_path / "a.dcm", pixels, bits=12, photometric="MONOCHROME1")
    edit(path, lambda dataset: dataset.add_new("PixelPaddingValue", "US", 4000))
    result = io.read(path).array[0]
    np.testing.assert_array_equal(result[:, 0], result[:, 1:].min())
    edit(path, lambda dataset: delattr(dataset, "PixelPaddingValue"))
    edit(path, lambda dataset: dataset.add_new("PixelPaddingRangeLimit", "US", 4000))
    assert "PixelPaddingRangeLimit is 4000 where PixelPaddingValue is missing" in refused(path).reason


def test_half_a_window_and_one_that_is_no_number_are_refused_where_it_is_asked_for(tmp_path: Path) -> None:
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    path = image(tmp_path / "a.dcm", pixels, bits=12, window=(2000, 1000))
    edit(path, lambda dataset: raw(dataset, "WindowWidth", b"wide"))
    assert io.read(path).array.max() == 4095
    assert "WindowWidth is not a number" in refused(path, window="file").reason
    edit(path, lambda dataset: delattr(dataset, "WindowWidth"))
    assert "one is there without the other" in refused(path, window="file").reason


def test_the_window_of_a_series_must_be_one(tmp_path: Path) -> None:
    folder = ct(
        tmp_path / "s", lambda dataset, k: setattr(dataset, "WindowCenter", 40) or setattr(dataset, "WindowWidth", 400)
    )
    loaded = io.read(folder, window="file")
    np.testing.assert_allclose(loaded.array, np.clip((volume().array - 39.5) / 399 + 0.5, 0, 1), atol=1e-5)
    edit(next(folder.iterdir()), lambda dataset: setattr(dataset, "WindowCenter", 50))
    assert (
        "WindowCenter and WindowWidth differ by slice ((40.0, 400.0) … (50.0, 400.0))"
        in refused(folder, window="file").reason
    )


@pytest.mark.parametrize(("keyword", "sign", "vr", "stated"), [
    ("SmallestImagePixelValue", 0, "SS", -1500),
    ("LargestImagePixelValue", 1, "US", 64000),
])  # fmt: skip
def test_a_sign_that_another_attribute_contradicts_is_refused_where_it_matters(
    tmp_path: Path, keyword: str, sign: int, vr: str, stated: int
) -> None:
    for name, pixels in (("near", np.arange(600)), ("far", np.arange(600) - 300)):
        path = image(tmp_path / f"{name}.dcm", pixels.reshape(20, 30).astype(np.int16))

        def change(dataset: pydicom.Dataset) -> None:
            dataset.PixelRepresentation = sign
            dataset.add_new(Tag(keyword), vr, stated)

        edit(path, change)
    np.testing.assert_array_equal(io.read(tmp_path / "near.dcm").array[0], np.arange(600).reshape(20, 30))
    assert f"PixelRepresentation is {sign} where {keyword} is {stated}" in refused(tmp_path / "far.dcm").reason


@pytest.mark.parametrize(("keyword", "values", "choice"), [
    ("ConvolutionKernel", ("B30f", "B70f"), {"kernel": "B70f"}),
    ("KVP", ("80", "140"), {"tube_voltage": 140.0}),
])  # fmt: skip
def test_slices_of_two_kernels_or_voltages_are_two_volumes(
    tmp_path: Path, keyword: str, values: tuple[str, str], choice: dict
) -> None:
    folder = ct(tmp_path / "s", lambda dataset, k: setattr(dataset, keyword, values[k % 2]))
    assert "2 volumes in one series" in refused(folder).reason
    loaded = io.read(folder, volume=io.VolumeRule.of(choice))
    np.testing.assert_array_equal(loaded.array, io.read(ct(tmp_path / "plain")).array[1::2])


def test_what_positions_and_shapes_are_taken_for_is_noted(tmp_path: Path) -> None:
    folder = ct(tmp_path / "s", lambda dataset, k: setattr(dataset, "FrameOfReferenceUID", f"2.25.{k // 4 + 1}"))
    assert any("2 frames of reference" in note for note in io.read(folder).facts["notes"])
    path = image(tmp_path / "a.dcm", np.arange(600).reshape(20, 30).astype(np.uint16))
    edit(path, lambda dataset: setattr(dataset, "PixelAspectRatio", [2, 1]))
    assert any("pixels are not square" in note for note in io.read(path).facts["notes"])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"PixelRepresentation": 1}, "PixelRepresentation is 1 where PhotometricInterpretation is RGB"),
        ({"PhotometricInterpretation": "YBR_PARTIAL_422"}, "PhotometricInterpretation is YBR_PARTIAL_422 of pixels"),
        (
            {"PhotometricInterpretation": "YBR_FULL_422", "PlanarConfiguration": 1},
            "PlanarConfiguration is 1 where PhotometricInterpretation is YBR_FULL_422",
        ),
    ],
)
def test_colours_that_the_standard_does_not_have_are_refused(tmp_path: Path, changes: dict, reason: str) -> None:
    path = _colour(tmp_path / "a.dcm")
    edit(path, lambda dataset: [setattr(dataset, keyword, value) for keyword, value in changes.items()])
    assert reason in refused(path).reason
    edit(path, lambda dataset: setattr(dataset, "NumberOfFrames", 1))
    with pytest.raises(ReadError, match=reason):
        io.open_video(path).frames([0])


@pytest.mark.parametrize("photometric", ["YBR_RCT", "YBR_ICT"])
def test_colours_of_jpeg_2000_that_were_unpacked_are_rgb_and_noted(tmp_path: Path, photometric: str) -> None:
    path = _colour(tmp_path / "a.dcm")
    before = io.read(path)
    edit(path, lambda dataset: setattr(dataset, "PhotometricInterpretation", photometric))
    loaded = io.read(path)
    np.testing.assert_array_equal(loaded.array, before.array)
    assert loaded.facts["notes"] == [
        f"PhotometricInterpretation is {photometric} of pixels without JPEG: taken for RGB"
    ]


def _colour(path: Path) -> Path:
    colours = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    return io.write_dicom_image(path, colours, patient_id="p", seed="colour", modality="US", photometric="RGB")
