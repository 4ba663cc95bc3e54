"""Pictures of every ordinary form: the true values at the true depth, or left out with the reason."""

from __future__ import annotations

import io as streams
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import PIL.TiffImagePlugin
import pytest

from scantune import io
from tests.io.files import refused

RNG = np.random.default_rng(0)
DEEP = RNG.integers(0, 65536, (21, 34, 3)).astype(np.uint16)
COLOUR = (DEEP >> 8).astype(np.uint8)


def tiff(path: Path, samples: np.ndarray, *, photometric: int, form: int = 1, planar: int = 1, tile: int = 0,
         orientation: int = 1, bits: int = 0, further: int | None = None, order: str = "<",
         packed: bool = False) -> Path:  # fmt: skip
    """A TIFF [H, W] or [H, W, C] written tag by tag, as scanners' software does; deflated where it is packed."""
    shape, bits = samples.shape, bits or 8 * samples.dtype.itemsize
    channels = shape[2] if samples.ndim == 3 else 1
    samples = samples.astype(samples.dtype.newbyteorder(order))
    whole = samples if planar == 1 else np.moveaxis(samples, -1, 0)
    if tile:
        down, across = -(-shape[0] // tile), -(-shape[1] // tile)
        padded = np.zeros((down * tile, across * tile, *shape[2:]), samples.dtype)
        padded[: shape[0], : shape[1]] = samples
        parts = [padded[y * tile : (y + 1) * tile, x * tile : (x + 1) * tile].tobytes()
                 for y in range(down) for x in range(across)]  # fmt: skip
    else:
        parts = [plane.tobytes() for plane in (whole if planar == 2 else [whole])]
    parts = [zlib.compress(part) for part in parts] if packed else parts
    data = b"".join(parts)
    offsets = np.cumsum([8, *map(len, parts)])[:-1].tolist()
    layout = {322: (4, [tile]), 323: (4, [tile]), 324: (4, offsets), 325: (4, list(map(len, parts)))} if tile else {
        273: (4, offsets), 278: (4, [shape[0]]), 279: (4, list(map(len, parts)))}  # fmt: skip
    tags = {256: (4, [shape[1]]), 257: (4, [shape[0]]), 258: (3, [bits] * channels), 259: (3, [8 if packed else 1]),
            262: (3, [photometric]), 274: (3, [orientation]), 277: (3, [channels]), 284: (3, [planar]),
            339: (3, [form] * channels), **layout}  # fmt: skip
    if further is not None:
        tags[338] = (3, [further])
    start = 8 + len(data)
    extra, entries = b"", b""
    for tag, (kind, values) in sorted(tags.items()):
        content = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(content) > 4:
            place = start + 2 + 12 * len(tags) + 4 + len(extra)
            extra, content = extra + content, struct.pack(f"{order}I", place)
        entries += struct.pack(f"{order}HHI", tag, kind, len(values)) + content.ljust(4, b"\0")
    ifd = struct.pack(f"{order}H", len(tags)) + entries + b"\0\0\0\0"
    path.write_bytes((b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", start) + data + ifd + extra)
    return path


def values(path: Path, **options: object) -> np.ndarray:
    loaded = io.read(path, **options)  # type: ignore[arg-type]
    assert isinstance(loaded, io.Image)
    return np.moveaxis(loaded.array, 0, -1).squeeze()


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_a_copy_of_16_bits_of_colour_of_8_is_read_as_of_8(tmp_path: Path, suffix: str) -> None:
    """By the intensity `scale` the two would be different tensors: 8 bits go by 255, others by smallest and largest."""
    cv2.imwrite(str(tmp_path / f"a.{suffix}"), COLOUR[..., ::-1].astype(np.uint16) * 257)
    loaded = io.read(tmp_path / f"a.{suffix}")
    assert loaded.array.dtype == np.uint8
    assert "8 bits a colour, stored as 16" in loaded.facts["notes"]
    np.testing.assert_array_equal(np.moveaxis(loaded.array, 0, -1), COLOUR)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_colour_of_16_bits_keeps_them(tmp_path: Path, suffix: str) -> None:
    cv2.imwrite(str(tmp_path / f"a.{suffix}"), DEEP[..., ::-1])
    loaded = io.read(tmp_path / f"a.{suffix}")
    assert loaded.facts["bits"] == 16
    np.testing.assert_array_equal(values(tmp_path / f"a.{suffix}"), DEEP)
    opaque = np.dstack([DEEP[..., ::-1], np.full(DEEP.shape[:2], 65535, np.uint16)])
    cv2.imwrite(str(tmp_path / f"b.{suffix}"), opaque)
    np.testing.assert_array_equal(values(tmp_path / f"b.{suffix}"), DEEP)
    opaque[3, 4, 3] = 0
    cv2.imwrite(str(tmp_path / f"c.{suffix}"), opaque)
    assert "transparent" in refused(tmp_path / f"c.{suffix}").reason


@pytest.mark.parametrize("layout", [
    {}, {"planar": 2}, {"tile": 16}, {"packed": True}, {"packed": True, "tile": 16}, {"order": ">"},
    {"order": ">", "packed": True}, {"order": ">", "packed": True, "tile": 16},
])  # fmt: skip
def test_tiffs_of_every_layout_and_depth_give_their_values(tmp_path: Path, layout: dict) -> None:
    for number, pixels in enumerate((DEEP, COLOUR)):
        path = tiff(tmp_path / f"{number}.tif", pixels, photometric=2, **layout)
        if layout.get("planar") and pixels is DEEP:
            assert "planes of their own" in refused(path).reason
            continue
        np.testing.assert_array_equal(values(path), pixels)
    if layout.get("planar"):
        return
    signed = RNG.integers(-100, 100, (21, 34))
    for pixels, form in (
        (DEEP[..., 0], 1), (COLOUR[..., 0], 1), (signed.astype(np.int8), 2), (signed.astype(np.int16) * 100, 2),
        (signed.astype(np.int32) * 70000, 2), (DEEP[..., 0].astype(np.uint32) * 60000, 1),
        (signed.astype(np.float32) / 7, 3),
    ):  # fmt: skip
        path = tiff(tmp_path / "grey.tif", pixels, photometric=1, form=form, **layout)
        if pixels.dtype == np.uint32 and layout.get("order") == ">":
            assert "an unsupported form" in refused(path).reason
            continue
        np.testing.assert_array_equal(values(path), pixels.astype(np.float32), err_msg=str(pixels.dtype))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_zero_is_turned_round_at_every_depth(tmp_path: Path, dtype: type) -> None:
    pixels = (DEEP[..., 0] >> (0 if dtype == np.uint16 else 8)).astype(dtype)
    path = tiff(tmp_path / "a.tif", pixels, photometric=0)
    top = np.iinfo(dtype).max
    np.testing.assert_array_equal(values(path), (top - pixels).astype(np.float32))
    assert io.read(path).facts["photometric"] == "MONOCHROME2"
    kept = io.read(path, monochrome1="keep")
    np.testing.assert_array_equal(kept.array[0], pixels.astype(np.float32))
    assert kept.facts["photometric"] == "MONOCHROME1"


def test_white_is_zero_of_signed_or_float_values_is_refused(tmp_path: Path) -> None:
    for pixels, form in ((DEEP[..., 0].astype(np.float32), 3), (DEEP[..., 0].view(np.int16), 2)):
        path = tiff(tmp_path / "a.tif", pixels, photometric=0, form=form)
        assert any(word in refused(path).reason for word in ("zero is white", "WhiteIsZero"))


def test_a_tiff_that_does_not_state_what_is_bright_is_refused(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", COLOUR[..., 0], photometric=1)
    content = path.read_bytes()
    path.write_bytes(
        content.replace(struct.pack("<HHI", 262, 3, 1), struct.pack("<HHI", 263, 3, 1), 1)
    )  # Threshholding
    assert "states no PhotometricInterpretation" in refused(path).reason
    assert "states no PhotometricInterpretation" in refused(path, labels=True).reason


@pytest.mark.parametrize("suffix", ["png", "gif", "bmp"])
def test_an_index_that_its_palette_has_no_colour_for_is_refused(tmp_path: Path, suffix: str) -> None:
    pixels = np.array([[0, 1, 2, 3], [3, 2, 1, 0]], np.uint8)
    picture, path = PIL.Image.fromarray(pixels, "P"), tmp_path / f"a.{suffix}"
    picture.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0, 0, 0, 200])
    picture.save(path)
    assert values(path).max() == 200
    content = path.read_bytes()
    if suffix == "png":
        at = content.index(b"PLTE")
        palette = content[at : at + 4 + 9]
        chunk = struct.pack(">I", 9) + palette + struct.pack(">I", zlib.crc32(palette))
        path.write_bytes(content[: at - 4] + chunk + content[at + 4 + 12 + 4 :])
    elif suffix == "gif":
        head = bytearray(content[: 13 + 12])
        head[10] &= 0b11111000  # a table of two colours; the code size stays
        path.write_bytes(bytes(head[: 13 + 6]) + content[13 + 12 :])
    else:
        path.write_bytes(content[:46] + struct.pack("<I", 3) + content[50:])
    reason = refused(path).reason
    assert "the palette has" in reason
    assert "a pixel has index 3" in reason


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    bits = DEEP[..., 0] > 30000
    for name, extra in (("a.png", {}), ("a.tif", {"compression": "group4"}), ("a.bmp", {}), ("a.gif", {})):
        PIL.Image.fromarray(bits).save(tmp_path / name, **extra)
        np.testing.assert_array_equal(values(tmp_path / name), bits * np.uint8(255), err_msg=name)


def test_a_tiff_that_is_turned_is_turned_once(tmp_path: Path) -> None:
    for pixels in (COLOUR, DEEP):
        path = tiff(tmp_path / "a.tif", pixels, photometric=2, orientation=6)
        np.testing.assert_array_equal(values(path), np.rot90(pixels, -1))
        np.testing.assert_array_equal(values(path, turn=1), pixels)
        np.testing.assert_array_equal(values(path, turn=3), pixels[::-1, ::-1])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_turned_tiff_of_one_uncompressed_strip_is_not_scrambled(tmp_path: Path, dtype: type) -> None:
    pixels = DEEP[..., 0].astype(dtype)
    turns = {5: pixels.T, 6: np.rot90(pixels, -1), 7: pixels[::-1, ::-1].T, 8: np.rot90(pixels)}
    for orientation, expected in turns.items():
        form = 3 if dtype is np.float32 else 1
        path = tiff(tmp_path / "a.tif", pixels, photometric=1, form=form, orientation=orientation)
        np.testing.assert_array_equal(values(path), expected, err_msg=str(orientation))


@pytest.mark.parametrize("tile", [0, 16])
def test_a_tiff_whose_strips_are_short_is_refused(tmp_path: Path, tile: int) -> None:
    path = tiff(tmp_path / "a.tif", DEEP[..., 0], photometric=1, tile=tile)
    content, size = path.read_bytes(), 16 * 16 * 2 if tile else 21 * 34 * 2
    at = content.rindex(struct.pack("<I", size))  # the last count: of the one strip, or of the last tile
    path.write_bytes(content[:at] + struct.pack("<I", size - 100) + content[at + 4 :])
    assert f"has {size - 100} of {size} bytes" in refused(path).reason


@pytest.mark.parametrize("compression", ["tiff_deflate", "jpeg"])
def test_a_tiff_whose_compressed_data_are_damaged_is_refused(tmp_path: Path, compression: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (160, 200), np.uint8)
    path = tmp_path / "a.tif"
    PIL.Image.fromarray(noise).save(path, compression=compression)
    assert io.read(path, kind="image").array.shape == (1, 160, 200)
    with PIL.Image.open(path) as picture:
        start, count = picture.tag_v2[273][-1], picture.tag_v2[279][-1]
    content = bytearray(path.read_bytes())
    content[start + count // 2 : start + count - 8] = bytes(count - 8 - count // 2)
    path.write_bytes(content)
    assert "the TIFF is damaged" in refused(path).reason


def _imagej(path: Path, pixels: np.ndarray, description: str) -> Path:
    PIL.Image.fromarray(pixels).save(path, tiffinfo={270: "ImageJ=1.54f\n" + description})
    return path


def test_the_calibration_of_imagej_is_applied_to_images_and_not_to_masks(tmp_path: Path) -> None:
    stored = DEEP[..., 0]
    path = _imagej(tmp_path / "a.tif", stored, "min=0\ncf=0\nc0=-32768\nc1=1.0\nvunit=Gray Value\n")
    np.testing.assert_array_equal(values(path), stored.astype(np.float32) - 32768)
    assert io.read(path).facts["notes"] == ["values by ImageJ's calibration: -32768 + 1 × stored"]
    np.testing.assert_array_equal(values(path, labels=True), stored)
    assert io.read(_imagej(path, stored, "cf=0\nc0=0.0\nc1=1.0\n")).facts["notes"] == []
    assert "is not linear" in refused(_imagej(path, stored, "cf=7\nc0=1\nc1=2\nc2=3\n")).reason
    assert "a stack of 3 pictures" in refused(_imagej(path, stored, "images=3\nslices=3\n")).reason


def test_forms_that_are_not_read_are_named(tmp_path: Path) -> None:
    half = tiff(tmp_path / "half.tif", DEEP[..., 0].astype(np.float16), photometric=1, form=3)
    assert "1 × 16 bits, float, BlackIsZero" in refused(half).reason
    double = tiff(tmp_path / "double.tif", DEEP[..., 0].astype(np.float64), photometric=1, form=3)
    assert "1 × 64 bits, float" in refused(double).reason
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    assert "HEIC" in refused(tmp_path / "a.heic").reason
    (tmp_path / "a.jp2").write_bytes(b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100))
    assert "JPEG 2000" in refused(tmp_path / "a.jp2").reason


@pytest.mark.parametrize("suffix", ["bmp", "gif", "webp"])
def test_bmp_gif_and_webp_are_read(tmp_path: Path, suffix: str) -> None:
    grey = COLOUR[..., 0]
    picture = PIL.Image.fromarray(grey if suffix == "gif" else COLOUR)
    picture.save(tmp_path / f"a.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    loaded = io.read((tmp_path / f"a.{suffix}").rename(tmp_path / "no_suffix"), kind="image")
    assert loaded.facts["format"] == suffix
    assert "lossy" not in loaded.facts
    pixels = np.moveaxis(loaded.array, 0, -1).squeeze()
    np.testing.assert_array_equal(pixels[..., 0] if pixels.ndim == 3 and suffix == "gif" else pixels, picture)


@pytest.mark.parametrize(("head", "values"), [(b"P5 4 2 255\n", 8), (b"P6\n# by hand\n4 2\n255\n", 24)])
def test_ppm_and_pgm_are_read(tmp_path: Path, head: bytes, values: int) -> None:
    (tmp_path / "a").write_bytes(head + bytes(range(values)))
    loaded = io.read(tmp_path / "a", kind="image")
    assert np.moveaxis(loaded.array, 0, -1).ravel().tolist() == list(range(values))


@pytest.mark.parametrize("head", [b"P5 4 2 1\n", b"P6 4 2 65535\n"])
def test_values_that_would_be_rescaled_are_refused(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "a").write_bytes(head + bytes(48))
    assert "largest value" in refused(tmp_path / "a").reason


def _jpeg(pixels: np.ndarray, **options: object) -> bytes:
    out = streams.BytesIO()
    PIL.Image.fromarray(pixels).save(out, "JPEG", **{"quality": 95, **options})
    return out.getvalue()


def test_a_jpeg_damaged_in_the_middle_is_refused(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    whole = _jpeg(smooth + RNG.integers(0, 60, smooth.shape).astype(np.uint8))
    path = tmp_path / "a.jpg"
    path.write_bytes(whole)
    io.read(path)
    middle = len(whole) * 2 // 3
    path.write_bytes(whole[:middle] + whole[middle + 400 :])  # the end marker is there, some blocks are not
    assert "its decoder warns" in refused(path).reason


def test_a_progressive_jpeg_needs_all_its_scans(tmp_path: Path) -> None:
    whole = _jpeg(COLOUR, progressive=True)
    path = tmp_path / "a.jpg"
    path.write_bytes(whole)
    io.read(path)
    last = whole.rfind(b"\xff\xda")
    table = whole.rfind(b"\xff\xc4", 0, last)
    path.write_bytes(whole[: table if table > whole.rfind(b"\xff\xda", 0, last) else last] + b"\xff\xd9")
    assert "scans are missing" in refused(path).reason


def test_ink_with_and_without_adobes_marker_is_the_same_picture(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(0, 120, 2), np.arange(0, 120, 2)).astype(np.uint8)
    ink = PIL.Image.fromarray(np.dstack([smooth, smooth[::-1], smooth[:, ::-1]])).convert("CMYK")
    expected = np.asarray(ink.convert("RGB")).astype(int)
    ink.save(tmp_path / "adobe.jpg", quality=100, subsampling=0)
    content = (tmp_path / "adobe.jpg").read_bytes()
    at = content.find(b"\xff\xee")
    assert at > 0
    assert np.abs(values(tmp_path / "adobe.jpg").astype(int) - expected).max() < 8
    ink.point(lambda value: 255 - value).save(tmp_path / "turned.jpg", quality=100, subsampling=0)
    content = (tmp_path / "turned.jpg").read_bytes()
    at = content.find(b"\xff\xee")
    (tmp_path / "plain.jpg").write_bytes(content[:at] + content[at + 2 + int.from_bytes(content[at + 2 : at + 4]) :])
    assert np.abs(values(tmp_path / "plain.jpg").astype(int) - expected).max() < 8


def test_a_colour_profile_is_not_applied_and_said(tmp_path: Path) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    PIL.Image.fromarray(COLOUR).save(tmp_path / "a.png", icc_profile=profile)
    loaded = io.read(tmp_path / "a.png")
    assert any("colour profile" in note for note in loaded.facts["notes"])
    np.testing.assert_array_equal(values(tmp_path / "a.png"), COLOUR)


def test_the_first_of_a_cameras_pictures_is_the_picture(tmp_path: Path) -> None:
    first, second = PIL.Image.fromarray(COLOUR), PIL.Image.fromarray(COLOUR[:8, :8])
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    loaded = io.read(tmp_path / "a.jpg")
    assert loaded.array.shape == (3, 21, 34)
    assert any("first of 2 pictures" in note for note in loaded.facts["notes"])


@pytest.mark.parametrize(("n", "photometric"), [(2, 1), (4, 2)])
def test_a_further_sample_of_no_stated_meaning_is_left_out_and_noted(tmp_path: Path, n: int, photometric: int) -> None:
    samples = np.random.default_rng(0).integers(0, 255, (20, 30, n)).astype(np.uint8)
    path = tiff(tmp_path / "a.tif", samples, photometric=photometric, further=0)
    loaded = io.read(path)
    np.testing.assert_array_equal(loaded.array, np.moveaxis(samples[..., :-1], -1, 0))
    assert any("an extra sample" in note for note in loaded.facts["notes"])


def _turned_pictures(folder: Path, exif: int) -> list[Path]:
    """One picture turned by an EXIF orientation, in every form that has room for it."""
    tags = PIL.Image.Exif()
    tags[0x0112] = exif
    picture, paths = PIL.Image.fromarray(COLOUR), []
    for ending in ("png", "jpg", "webp", "tif"):
        paths.append(folder / f"a{exif}.{ending}")
        picture.save(paths[-1], exif=tags)
    whole = (folder / f"a{exif}.png").read_bytes()
    start = whole.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(whole[start : start + 4], "big")
    trailer = whole.index(b"IEND") - 4
    paths.append(folder / f"late{exif}.png")  # as exiftool writes it: behind the pixels
    paths[-1].write_bytes(whole[:start] + whole[end:trailer] + whole[start:end] + whole[trailer:])
    paths.append(folder / f"xmp{exif}.jpg")
    xmp = f'<rdf:Description tiff:Orientation="{exif}"/>'.encode()
    picture.save(paths[-1], xmp=xmp)
    paths.append(folder / f"xmp{exif}.tif")
    tags = PIL.TiffImagePlugin.ImageFileDirectory_v2()
    tags[700], tags.tagtype[700] = xmp, 1
    picture.save(paths[-1], tiffinfo=tags)
    return paths


@pytest.mark.parametrize("exif", range(1, 9))
def test_the_extent_of_a_turned_picture_is_that_of_its_pixels_as_read(tmp_path: Path, exif: int) -> None:
    for path in _turned_pictures(tmp_path, exif):
        extent = io.read_extent(path)
        loaded = io.read(path)
        assert isinstance(loaded, io.Image)
        assert (extent.shape, extent.turn) == (loaded.array.shape[1:], exif), path.name
        assert loaded.facts.get("turn", 1) == exif, path.name


def test_the_extent_has_the_depth_of_grey_and_colour(tmp_path: Path) -> None:
    for dtype, bits in ((np.uint8, 8), (np.uint16, 16)):
        for pixels in (DEEP, DEEP[..., 0]):
            for ending in ("png", "tif"):
                path = tmp_path / f"a.{ending}"
                assert cv2.imwrite(str(path), pixels.astype(dtype))
                assert io.read_extent(path).bits == io.read(path).facts["bits"] == bits


def test_the_extent_of_a_png_is_read_without_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    PIL.Image.fromarray(COLOUR).save(path)
    content = bytearray(path.read_bytes())
    at = content.index(b"IDAT") + 4
    content[at : at + 8] = bytes(8)  # no deflate stream
    path.write_bytes(content)
    assert io.read_extent(path).shape == COLOUR.shape[:2]
    assert "damaged" in refused(path).reason


def test_a_png_whose_pixels_fail_their_checksum_is_refused(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:48, :64]
    path = tmp_path / "a.png"
    io.write_png(path, ((np.sin(columns / 9) + np.cos(rows / 7) + 2) * 60).astype(np.uint8))
    whole = path.read_bytes()
    start, end = whole.index(b"IDAT") + 4, whole.index(b"IEND") - 8
    for at in range(start, end):  # of some the deflate stream stays valid
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :])
        assert "damaged" in refused(path).reason


def _png(path: Path, samples: np.ndarray, depth: int, colour: int, transparent: int | None = None) -> Path:
    """A PNG chunk by chunk; ``samples`` [H, W] or [H, W, C] of ``depth`` bits, rows of whole bytes."""
    bits = np.unpackbits(samples.astype(">u2").view(np.uint8).reshape(*samples.shape, 2), axis=-1)[..., 16 - depth :]
    packed = np.packbits(bits.reshape(len(samples), -1), axis=1)
    body = {
        b"IHDR": struct.pack(">IIBBBBB", samples.shape[1], len(samples), depth, colour, 0, 0, 0),
        b"tRNS": b"" if transparent is None else struct.pack(">H", transparent),
        b"IDAT": zlib.compress(b"".join(b"\0" + row.tobytes() for row in packed)),
        b"IEND": b"",
    }
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in body.items()
        if kind != b"tRNS" or data
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_transparent_grey_counts_at_the_depth_that_is_stored(tmp_path: Path, depth: int) -> None:
    samples = RNG.integers(0, 2**depth, (6, 8)).astype(np.uint16)
    samples[samples == 2**depth - 2] = 2**depth - 1
    samples[0, :2] = 0 if depth > 1 else 1, 2**depth - 1
    unused, used = 2**depth - 2, 2**depth - 1
    assert "transparent" in refused(_png(tmp_path / "a.png", samples, depth, 0, used)).reason
    if depth > 1:
        opaque = values(_png(tmp_path / "a.png", samples, depth, 0, unused), labels=True)
        np.testing.assert_array_equal(opaque, samples)


def test_grey_of_16_bits_with_transparency_is_grey(tmp_path: Path) -> None:
    grey = np.stack([DEEP[..., 0], np.full_like(DEEP[..., 0], 65535)], axis=-1)
    loaded = io.read(_png(tmp_path / "a.png", grey, 16, 4))
    np.testing.assert_array_equal(loaded.array, DEEP[None, ..., 0])  # type: ignore[union-attr]
    assert loaded.facts["photometric"] == "MONOCHROME2"


def _gif(frames: list[np.ndarray], **options: object) -> bytes:
    out = streams.BytesIO()
    first, *others = (PIL.Image.fromarray(frame) for frame in frames)
    first.save(out, "GIF", save_all=True, append_images=others, **options)
    return out.getvalue()


def test_a_gif_that_ends_before_its_trailer_is_noted(tmp_path: Path) -> None:
    path, frames = tmp_path / "a.gif", [COLOUR[..., channel] for channel in range(3)]
    whole = _gif(frames, duration=40)
    path.write_bytes(whole + b"behind it")
    assert not io.read(path).facts["notes"]
    starts = [at for at in range(len(whole)) if whole.startswith(b"!\xf9\x04", at)]
    for count, end in enumerate([*starts[1:], len(whole) - 1], 1):
        path.write_bytes(whole[:end])
        loaded = io.read(path)
        assert (len(loaded.frames) if isinstance(loaded, io.Video) else 1) == count
        assert "trailer" in loaded.facts["notes"][0]


def test_a_gif_whose_first_frame_is_smaller_than_its_screen_is_transparent_around_it(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    for frames in ([COLOUR[..., 0]], [COLOUR[..., 0], COLOUR[..., 1]]):
        content = bytearray(_gif(frames, duration=40))
        content[6:10] = struct.pack("<HH", COLOUR.shape[1] + 3, COLOUR.shape[0] + 2)
        path.write_bytes(content)
        assert "transparent" in refused(path).reason


def test_colours_of_8_bits_in_a_tiff_palette_are_shown_and_big_endian_bigtiff_is_named(tmp_path: Path) -> None:
    picture = PIL.Image.frombytes("P", (4, 3), bytes(range(12)))
    picture.putpalette([value for index in range(256) for value in (index, 255 - index, 7)])
    picture.save(tmp_path / "a.tif")
    expected = io.read(tmp_path / "a.tif").array
    content = bytearray((tmp_path / "a.tif").read_bytes())
    directory = struct.unpack_from("<I", content, 4)[0]
    for entry in range(directory + 2, directory + 2 + 12 * struct.unpack_from("<H", content, directory)[0], 12):
        tag, _, count, at = struct.unpack_from("<HHII", content, entry)
        if tag == 320:  # ColorMap
            colours = np.frombuffer(content, "<u2", count, at) >> 8
            content[at : at + 2 * count] = colours.astype("<u2").tobytes()
    (tmp_path / "b.tif").write_bytes(content)
    loaded = io.read(tmp_path / "b.tif")
    np.testing.assert_array_equal(loaded.array, expected)
    assert "colours are of 8 bits" in loaded.facts["notes"][0]
    (tmp_path / "c.tif").write_bytes(b"MM\0+\0\x08\0\0" + bytes(100))
    assert "a BigTIFF in big-endian order" in refused(tmp_path / "c.tif").reason
