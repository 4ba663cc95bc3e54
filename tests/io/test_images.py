"""Single images: every encoding gives the same picture; windows, look-up tables, sides and spacing."""

from __future__ import annotations

import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pydicom
import pytest

from scantune import io
from tests.io.files import PYDICOM_FILES, edit, refused

GREY = np.random.default_rng(0).integers(0, 4096, (40, 48)).astype(np.uint16)


def _image(path: Path, pixels: np.ndarray = GREY, **options: object) -> Path:
    settings: dict = {"patient_id": "phantom-1", "seed": "a", "bits": 12} | options
    return io.write_dicom_image(path, pixels, **settings)


def _bundled(name: str) -> Path:
    return PYDICOM_FILES / name


def test_only_jpeg_ls_may_lack_an_encoder() -> None:
    missing = {"none", "rle", "jpeg-ls", "jpeg2000"} - set(io.compressions())
    assert missing <= ({"jpeg-ls"} if sys.version_info >= (3, 14) else set())


@pytest.mark.parametrize("modality", ["CR", "DX", "XA", "US", "CT", "MR"])
@pytest.mark.parametrize("compression", io.compressions())
def test_every_modality_and_compression_gives_the_stored_values(
    tmp_path: Path, modality: str, compression: str
) -> None:
    path = _image(tmp_path / "a", modality=modality, compression=compression, spacing=(0.2, 0.1))
    loaded = io.read(path)
    assert loaded.array.dtype == np.float32
    np.testing.assert_array_equal(loaded.array[0], GREY)
    assert loaded.spacing == (0.2, 0.1)
    assert loaded.facts["modality"] == modality
    detector = any("detector" in note for note in loaded.facts["notes"])
    assert detector == (modality in ("CR", "DX", "XA"))


@pytest.mark.parametrize(
    "reference, others",
    [
        (
            "MR_small.dcm",
            "MR_small_RLE MR_small_bigendian MR_small_expb MR_small_implicit MR_small_jp2klossless "
            "MR_small_jpeg_ls_lossless MR_small_padded",
        ),
        ("SC_rgb_small_odd.dcm", "SC_rgb_small_odd_big_endian"),
    ],
)
def test_one_picture_in_every_transfer_syntax(reference: str, others: str) -> None:
    expected = io.read(_bundled(reference)).array
    for name in others.split():
        np.testing.assert_array_equal(io.read(_bundled(f"{name}.dcm")).array, expected, err_msg=name)


def test_colour_is_the_same_picture_whatever_the_encoding() -> None:
    expected = io.read(_bundled("SC_rgb_rle.dcm")).array.astype(int)
    assert expected.shape == (3, 100, 100)
    exact = ["SC_rgb_rle_2frame", "SC_rgb_jpeg_gdcm", "SC_rgb_dcmtk_+eb+cr", "SC_rgb_gdcm_KY"]
    near = [f"SC_rgb_dcmtk_+eb+cy+{how}" for how in ("n1", "n2", "np", "s2", "s4")]
    near += ["SC_ybr_full_422_uncompressed", "SC_rgb_jpeg_dcmtk", "SC_rgb_jpeg_lossy_gdcm"]
    for name in exact + near:
        loaded = io.read(_bundled(f"{name}.dcm"))
        array = loaded.frames[0].transpose(2, 0, 1) if isinstance(loaded, io.Video) else loaded.array
        difference = np.abs(array.astype(int) - expected)
        # chroma is halved by the lossy ones: colour bars differ next to their edges only
        assert np.quantile(difference, 0.9) <= (0 if name in exact[:1] else 6), name
        assert np.median(difference) <= 3, name


def test_palette_gives_the_colours_of_its_tables() -> None:
    path = _bundled("examples_palette.dcm")
    result = io.read(path).array
    dataset = pydicom.dcmread(path)
    expected = pydicom.pixels.apply_color_lut(dataset.pixel_array, dataset)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, (expected >> 8).astype(np.uint8).transpose(2, 0, 1))


def test_planar_and_interleaved_rgb_are_the_same(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (10, 12, 3)).astype(np.uint8)
    path = _image(tmp_path / "a", pixels, bits=8, photometric="RGB", modality="US")
    np.testing.assert_array_equal(io.read(path).array, pixels.transpose(2, 0, 1))
    assert "colour, to which the window is not applied" in io.read(path, window=(40, 400)).facts["notes"]

    def planar(dataset: pydicom.Dataset) -> None:
        dataset.PlanarConfiguration = 1
        dataset.PixelData = np.ascontiguousarray(pixels.transpose(2, 0, 1)).tobytes()

    edit(path, planar)
    np.testing.assert_array_equal(io.read(path).array, pixels.transpose(2, 0, 1))


def test_uncompressed_ybr_full_becomes_rgb(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (10, 12, 3)).astype(np.uint8)
    path = _image(tmp_path / "a", pixels, bits=8, photometric="RGB", modality="US")
    coded = pydicom.pixels.convert_color_space(pixels, "RGB", "YBR_FULL")

    def convert(dataset: pydicom.Dataset) -> None:
        dataset.PhotometricInterpretation = "YBR_FULL"
        dataset.PixelData = coded.tobytes()

    edit(path, convert)
    assert np.abs(io.read(path).array.astype(int) - pixels.transpose(2, 0, 1)).max() <= 3


def test_monochrome1_is_inverted_by_default(tmp_path: Path) -> None:
    path = _image(tmp_path / "a", photometric="MONOCHROME1", window=(2048, 4096))
    np.testing.assert_array_equal(io.read(path).array[0], 4095 - GREY)
    np.testing.assert_array_equal(io.read(path, monochrome1="keep").array[0], GREY)
    kept, inverted = (io.read(path, monochrome1=how, window="file").array for how in ("keep", "invert"))
    np.testing.assert_allclose(inverted, 1 - kept, atol=1e-6)


def test_windows_by_numbers_and_from_the_file(tmp_path: Path) -> None:
    path = _image(tmp_path / "a", window=(1000, 501))
    expected = np.clip((GREY.astype(float) - 999.5) / 500 + 0.5, 0, 1)  # PS3.3 C.11.2.1.2, to 0-1
    np.testing.assert_allclose(io.read(path, window="file").array[0], expected, atol=1e-6)
    np.testing.assert_allclose(io.read(path, window=(1000, 501)).array[0], expected, atol=1e-6)
    assert io.read(path).facts["window"] == [1000, 501]
    edit(path, lambda dataset: setattr(dataset, "VOILUTFunction", "SIGMOID"))
    sigmoid = 1 / (1 + np.exp(-4 * (GREY.astype(float) - 1000) / 501))
    np.testing.assert_allclose(io.read(path, window="file").array[0], sigmoid, atol=1e-6)
    assert "no window of its own" in refused(_image(tmp_path / "b"), window="file").reason
    assert "width 0" in refused(path, window=(5, 0)).reason


def test_modality_and_voi_tables_are_applied(tmp_path: Path) -> None:
    path = _image(tmp_path / "a")
    modality = (np.arange(4096) * 2).astype(np.uint16)
    voi = (8190 - np.arange(8191)).astype(np.uint16)

    def table(entries: np.ndarray) -> pydicom.Dataset:
        item = pydicom.Dataset()
        item.add_new(0x00283002, "US", [len(entries), 0, 16])
        item.add_new(0x00283006, "OW", entries.tobytes())
        return item

    def change(dataset: pydicom.Dataset) -> None:
        dataset.ModalityLUTSequence = [table(modality)]
        dataset.ModalityLUTSequence[0].ModalityLUTType = "US"
        dataset.VOILUTSequence = [table(voi)]

    edit(path, change)
    np.testing.assert_array_equal(io.read(path).array[0], GREY.astype(np.float32) * 2)
    windowed = io.read(path, window="file").array[0]
    np.testing.assert_allclose(windowed, (8190 - GREY.astype(float) * 2) / 65535, atol=1e-6)


def test_sides_are_told(tmp_path: Path) -> None:
    tags = {"PatientOrientation": ["L", "F"], "ViewPosition": "PA", "ImageLaterality": "U"}
    facts = io.read(_image(tmp_path / "a", tags=tags)).facts
    assert (facts["patient_orientation"], facts["view"], facts["laterality"]) == (["L", "F"], "PA", "U")


def test_free_text_of_a_header_is_not_in_the_facts(tmp_path: Path) -> None:
    tags = {"Manufacturer": "Dr. Miller's SIEMENS", "ViewPosition": "JANE DOE", "ImageType": ["DERIVED", "JANE DOE"]}
    facts = str(io.read(_image(tmp_path / "a", tags=tags)).facts)
    assert "iller" not in facts
    assert "JANE" not in facts.upper()
    assert "phantom-1" not in facts
    assert "siemens" in facts


def test_truncated_and_resized_frames_are_refused(tmp_path: Path) -> None:
    for compression in io.compressions():
        path = _image(tmp_path / compression, compression=compression)
        path.write_bytes(path.read_bytes()[:-200])
        refused(path)
    path = _image(tmp_path / "b", compression="jpeg2000")
    edit(path, lambda dataset: setattr(dataset, "Rows", 4000))
    assert "a compressed frame is 40×48 pixels where the header says 4000×48" in refused(path).reason


def test_huge_images_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path = _image(tmp_path / "a")

    def grow(dataset: pydicom.Dataset) -> None:
        dataset.Rows = dataset.Columns = 65535

    edit(path, grow)
    assert "more than the limit" in refused(path).reason


def test_a_deflated_bomb_is_refused(tmp_path: Path) -> None:
    path = _image(tmp_path / "a")
    dataset = pydicom.dcmread(path)
    dataset.add_new(0x00091001, "OB", bytes(1 << 24))
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(path)
    assert path.stat().st_size < 1 << 17
    assert "larger than 4,194,304 bytes" in refused(path, limits=io.Limits(max_bytes=1 << 22)).reason
    np.testing.assert_array_equal(io.read(path).array[0], GREY)


@pytest.mark.parametrize("suffix", ["png", "tiff", "jpg"])
def test_pictures_of_8_bits(tmp_path: Path, suffix: str) -> None:
    y, x = np.mgrid[:30, :40]
    grey = (x * 3 + y).astype(np.uint8)
    colour = np.stack([grey, grey[::-1], grey[:, ::-1]], axis=-1)
    for pixels in (grey, colour):
        path = tmp_path / f"a.{suffix}"
        PIL.Image.fromarray(pixels).save(path, **({"quality": 95, "subsampling": 0} if suffix == "jpg" else {}))
        path = path.rename(tmp_path / "no_suffix")
        loaded = io.read(path)
        expected = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        assert loaded.array.dtype == np.uint8
        assert loaded.spacing is None
        assert np.abs(loaded.array.astype(int) - expected).max() <= (8 if suffix == "jpg" else 0)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_pictures_of_16_bits(tmp_path: Path, suffix: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (30, 40)).astype(np.uint16)
    PIL.Image.fromarray(pixels).save(tmp_path / f"a.{suffix}")
    loaded = io.read(tmp_path / f"a.{suffix}")
    assert loaded.array.dtype == np.float32
    np.testing.assert_array_equal(loaded.array[0], pixels)


def test_pictures_that_are_damaged_transparent_or_many_are_refused(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 4)).astype(np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "a.png")
    assert "transparent" in refused(tmp_path / "a.png").reason
    pages = [PIL.Image.fromarray(pixels[..., at]) for at in range(3)]
    pages[0].save(tmp_path / "b.tiff", save_all=True, append_images=pages[1:])
    assert "3 pages" in refused(tmp_path / "b.tiff").reason
    for suffix in ("png", "jpg", "tiff"):
        path = tmp_path / f"c.{suffix}"
        PIL.Image.fromarray(pixels[..., :3]).save(path)
        path.write_bytes(path.read_bytes()[:-300])
        assert "damaged or cut short" in refused(path).reason
    PIL.Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "d.png")
    assert refused(tmp_path / "d.png").reason == "every value is 0"


def test_a_picture_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    PIL.Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "a.png")
    raw = bytearray((tmp_path / "a.png").read_bytes())
    raw[16:24] = (200_000).to_bytes(4, "big") * 2
    raw[29:33] = zlib.crc32(raw[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(raw)
    assert "more pixels than the limit" in refused(tmp_path / "a.png").reason


def test_an_unknown_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_text("Jane Doe")
    assert "it is not DICOM" in refused(tmp_path / "a.dcm").reason
    (tmp_path / "b.dcm").write_bytes(b"")
    assert "empty" in refused(tmp_path / "b.dcm").reason


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40)).astype(np.uint8)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    loaded = io.read(tmp_path / "a.png")
    np.testing.assert_array_equal(loaded.array[0], np.rot90(pixels, -1))
    assert any("EXIF" in note for note in loaded.facts["notes"])


@pytest.mark.parametrize(
    ("scales", "spacing"),
    [([0.02], (0.2, 0.2)), ([0.02, 0.0201], (0.2, 0.2)), ([0.02, 0.03], None), ([0.02, 0.0], None)],
)
def test_the_spacing_of_ultrasound_is_what_its_regions_share(
    tmp_path: Path, scales: list[float], spacing: tuple[float, float] | None
) -> None:
    path = _image(tmp_path / "a", modality="US")

    def add(dataset: pydicom.Dataset) -> None:
        regions = []
        for scale, unit in [*((one, 3) for one in scales), (0.5, 4)]:  # the last is a tracing: seconds across
            region = pydicom.Dataset()
            region.PhysicalUnitsXDirection, region.PhysicalUnitsYDirection = unit, 3
            region.PhysicalDeltaX, region.PhysicalDeltaY = scale, -scale
            regions.append(region)
        dataset.SequenceOfUltrasoundRegions = regions

    edit(path, add)
    loaded = io.read(path)
    assert loaded.spacing == (None if spacing is None else pytest.approx(spacing))
    assert any("different scales" in note for note in loaded.facts["notes"]) == (scales[-1] == 0.03)


@pytest.mark.parametrize("value", [[0, 0], [-0.2, 0.2], [0.2], [1e9, 1e9]])
def test_a_spacing_that_is_none_is_told(tmp_path: Path, value: list[float]) -> None:
    path = _image(tmp_path / "a", modality="US")
    edit(path, lambda dataset: dataset.__setattr__("PixelSpacing", value))
    loaded = io.read(path)
    assert loaded.spacing is None
    assert "PixelSpacing is no spacing in mm, and is not used" in loaded.facts["notes"]


def test_an_aspect_ratio_that_no_picture_has_is_not_believed(tmp_path: Path) -> None:
    path = _image(tmp_path / "a", modality="US")
    edit(path, lambda dataset: setattr(dataset, "PixelAspectRatio", [1000, 1]))
    facts = io.read(path).facts
    assert "pixel_sides" not in facts
    assert any("PixelAspectRatio 1000:1: not believed" in note for note in facts["notes"])
