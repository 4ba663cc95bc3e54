import cv2
import numpy as np
import pytest

from scantune import io
from scantune.preprocess import prepare
from scantune.preprocess.intensity import sampled
from scantune.preprocess.plane import fit, place, put_back
from scantune.preprocess.text import blank_text, find_text
from scantune.records import ReadError


def test_eight_bits_pass_unchanged(tmp_path, inputs, rng):
    picture = rng.integers(0, 255, (12, 10), dtype=np.uint8)
    io.write_png(tmp_path / "a.png", picture)
    prepared = prepare([tmp_path / "a.png"], [], inputs["image"]())
    assert prepared.tensor.dtype == np.uint8
    np.testing.assert_array_equal(prepared.tensor, picture[None])


@pytest.mark.parametrize("how, filled", [("pad", 50), ("crop", 100), ("stretch", 100)])
def test_resizing_keeps_the_aspect_unless_told(how, filled):
    picture = np.full((40, 20), 9, np.uint8)
    result = place(picture, fit((40, 20), (10, 10), how))
    assert result.shape == (10, 10)
    assert (result == 9).sum() == filled
    if how == "pad":
        assert (result[:, 2:7] == 9).all() or (result[:, 3:8] == 9).all()


def test_shrinking_averages_areas_and_labels_stay_whole(rng):
    picture = rng.random((8, 8)).astype(np.float32)
    fitted = fit((8, 8), (4, 4), "pad")
    np.testing.assert_allclose(place(picture, fitted), picture.reshape(4, 2, 4, 2).mean(axis=(1, 3)), rtol=1e-5)
    labels = (picture > 0.5).astype(np.uint8) * 3
    assert set(np.unique(place(labels, fitted, nearest=True))) <= {0, 3}


def test_an_axis_that_shrinks_is_averaged_while_the_other_grows():
    stripes = np.zeros((50, 400), np.float32)
    stripes[:, ::2] = 1
    result = place(stripes, fit((50, 400), (100, 100), "stretch"))
    np.testing.assert_allclose(result, 0.5, atol=1e-6)
    np.testing.assert_allclose(put_back(stripes, fit((100, 100), (50, 400), "stretch"), (100, 100)), 0.5, atol=1e-6)


def test_files_of_8_and_of_16_bits_become_channels_of_one_scale(tmp_path, inputs, rng):
    picture = rng.integers(0, 256, (12, 10), dtype=np.uint8)
    picture[0, :2] = 0, 255
    io.write_png(tmp_path / "a.png", picture)
    io.write_png(tmp_path / "b.png", picture.astype(np.uint16) * 257)
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    for order in (files, files[::-1]):
        np.testing.assert_array_equal(prepare(order, [], inputs["image"]()).tensor, np.stack([picture] * 2))
        fine = prepare(order, [], inputs["image"](dtype="float32")).tensor
        np.testing.assert_allclose(fine, np.stack([picture] * 2) / 255, atol=1e-6)


@pytest.mark.parametrize("shape", [(1024, 1024, 3), (1, 1 << 22, 4), (1 << 14, 256)])
def test_sampled_values_are_of_every_colour_and_column(shape):
    for axis, length in enumerate(shape):
        where = np.arange(length, dtype=np.float32).reshape([-1 if a == axis else 1 for a in range(len(shape))])
        some = sampled(np.ascontiguousarray(np.broadcast_to(where, shape)), 1 << 16)
        assert some.mean() == pytest.approx((length - 1) / 2, rel=0.02)
        if length <= 256:
            assert set(some) == set(range(length))


def test_monochrome1_is_turned_by_key(tmp_path, inputs):
    ramp = np.arange(200, dtype=np.uint16).reshape(10, 20) * 16
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        io.write_dicom_image(
            tmp_path / f"{photometric}.dcm", ramp, patient_id="p", seed="1", bits=12, photometric=photometric
        )
    one, two = ([tmp_path / f"MONOCHROME{n}.dcm"] for n in (1, 2))
    plain = prepare(two, [], inputs["image"]()).tensor
    assert plain[0, 0, 0] == 0
    assert plain[0, -1, -1] == 255
    kept = prepare(one, [], inputs["image"](invert_monochrome1=False)).tensor
    np.testing.assert_array_equal(kept, plain)
    turned = prepare(one, [], inputs["image"]()).tensor
    assert np.abs(turned.astype(int) + plain - 255).max() <= 1


def test_windows_from_the_block_and_from_the_file(tmp_path, inputs):
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    io.write_dicom_image(tmp_path / "a.dcm", ramp, patient_id="p", seed="1", bits=12, window=(1000, 500))
    block = inputs["image"](intensity={"name": "window", "center": 1000, "width": 500}, dtype="float32")
    result = prepare([tmp_path / "a.dcm"], [], block).tensor
    np.testing.assert_allclose(result[0], np.clip((ramp - 750.0) / 500, 0, 1), atol=1e-6)
    own = prepare([tmp_path / "a.dcm"], [], inputs["image"](intensity="window", dtype="float32")).tensor
    np.testing.assert_allclose(own, result, atol=2e-3)  # DICOM's window ends half a grey level earlier


@pytest.mark.parametrize("center", [-9000.0, 9000.0])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_window_beside_all_values_is_refused_and_not_a_blank_picture(tmp_path, inputs, center, photometric):
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    io.write_dicom_image(tmp_path / "a.dcm", ramp, patient_id="p", seed="1", bits=12, photometric=photometric)
    block = inputs["image"](intensity={"name": "window", "center": center, "width": 500})
    side = "above" if center < 0 else "below"
    with pytest.raises(
        ReadError, match=f"center {center:g}, width 500.* shows nothing: all values are {side} it, from 0"
    ):
        prepare([tmp_path / "a.dcm"], [], block)


def test_colour_and_grey(tmp_path, inputs, rng):
    colour = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
    io.write_png(tmp_path / "c.png", colour)
    np.testing.assert_array_equal(
        prepare([tmp_path / "c.png"], [], inputs["image"](channels=3)).tensor, colour.transpose(2, 0, 1))  # fmt: skip
    grey = prepare([tmp_path / "c.png"], [], inputs["image"]()).tensor[0]
    assert np.abs(grey - colour @ np.array([0.299, 0.587, 0.114])).max() <= 1
    io.write_png(tmp_path / "g.png", colour[..., 0])
    assert prepare([tmp_path / "g.png"], [], inputs["image"](channels=3)).tensor.shape == (3, 8, 8)


def test_a_fault_of_one_of_several_files_or_channels_names_it(tmp_path, inputs, rng):
    picture = rng.integers(0, 255, (8, 8), dtype=np.uint8)
    for name, array in {"a": picture, "wide": np.hstack([picture, picture]), "blank": picture * 0}.items():
        io.write_png(tmp_path / f"{name}.png", array)
    for name, fault in (("wide", "8×16 pixels, but the first file has 8×8"), ("blank", "every value is 0")):
        with pytest.raises(ReadError, match=f"file 2 of 2: (?:{fault})") as caught:
            prepare([tmp_path / "a.png", tmp_path / f"{name}.png"], [], inputs["image"]())
        assert caught.value.detail.startswith(str(tmp_path / f"{name}.png"))
    io.write_png(tmp_path / "c.png", np.stack([picture, picture * 0, picture], axis=2))
    block = inputs["image"](channels=3, intensity={"name": "percentile", "per_channel": True})
    with pytest.raises(ReadError, match=r"^colour channel 2 of 3: "):
        prepare([tmp_path / "c.png"], [], block)


def test_light_of_another_colour_is_taken_out_by_channel(tmp_path, inputs, rng):
    """The same smear under white and under yellow light, letterboxed: alike after scaling each channel by itself."""
    picture = rng.integers(40, 255, (20, 40, 3), dtype=np.uint8)
    made = []
    for name, light in (("white", (1, 1, 1)), ("yellow", (1, 0.95, 0.55))):
        io.write_png(tmp_path / f"{name}.png", np.rint(picture * np.array(light)).astype(np.uint8))
        block = inputs["image"](shape=(40, 40), channels=3, intensity={"name": "percentile", "per_channel": True})
        made.append(prepare([tmp_path / f"{name}.png"], [], block).tensor.astype(int))
    assert np.abs(made[0] - made[1]).max() <= 3
    shared = inputs["image"](shape=(40, 40), channels=3, intensity="percentile")
    left = [prepare([tmp_path / f"{name}.png"], [], shared).tensor.astype(int) for name in ("white", "yellow")]
    assert np.abs(left[0] - left[1]).max() > 60
    with pytest.raises(ValueError, match=r"per_channel is for colour images"):
        inputs["image"](intensity={"name": "percentile", "per_channel": True})


def test_channels_are_divided_by_the_light_of_their_background(tmp_path, inputs):
    """What passes a cell is a share of the lamp's light, whatever its colour, and padding is no part of it."""
    passes = np.full((20, 40, 3), 1.0)
    passes[8:12, 10:20] = (0.6, 0.2, 0.5)
    block = inputs["image"](shape=(40, 40), channels=3, intensity="background")
    for light in ((250, 240, 130), (200, 180, 190)):
        io.write_png(tmp_path / "cell.png", np.rint(passes * light).astype(np.uint8))
        tensor = prepare([tmp_path / "cell.png"], [], block).tensor
        assert tensor.dtype == np.uint8
        assert np.abs(tensor[:, 20, 15] / 255 - (0.6, 0.2, 0.5)).max() < 0.01
        assert (tensor[:, 12, 2] == 255).all()
    dark = np.where(passes < 1, 200, 0).astype(np.uint8)
    dark[:10] = 0
    io.write_png(tmp_path / "dark.png", dark)
    with pytest.raises(ReadError, match=r"channel 1 of 3: percentile 95 of a channel is 0: no light of a background"):
        prepare([tmp_path / "dark.png"], [], block)


def test_detail_beyond_a_resolution_is_averaged_and_masks_are_not(tmp_path, inputs, rng):
    """Stripes of one pixel are gone at half of the size, those of ten are not; the tensor keeps its shape."""
    columns = np.arange(40)
    fine, coarse = (np.where(columns // width % 2, 200, 100) for width in (1, 10))
    mask = np.tile(columns % 2, (40, 1)).astype(np.uint8)
    io.write_png(tmp_path / "mask.png", mask)
    block = inputs["image"](shape=(40, 40), resolution=(20, 20), intensity="scale")
    spread = []
    for stripes in (fine, coarse):
        io.write_png(tmp_path / "x.png", np.tile(stripes, (40, 1)).astype(np.uint8))
        prepared = prepare([tmp_path / "x.png"], [tmp_path / "mask.png"], block)
        assert prepared.tensor.shape == (1, 40, 40)
        assert np.array_equal(prepared.mask[0], mask)
        spread.append(float(prepared.tensor.std()))
    assert spread[0] < 1
    assert spread[1] > 40
    for shape, why in ((None, "set shape"), ((20, 40), "is not below shape")):
        with pytest.raises(ValueError, match=f"resolution: .*{why}"):
            inputs["image"](shape=shape, resolution=(20, 20))


def test_clahe_spreads_a_dull_picture(tmp_path, inputs, rng):
    io.write_png(tmp_path / "a.png", (120 + rng.integers(0, 10, (64, 64))).astype(np.uint8))
    plain, equal = (prepare([tmp_path / "a.png"], [], inputs["image"](clahe=c)).tensor for c in (False, {"clip": 10}))
    assert equal.std() > 3 * plain.std()
    with pytest.raises(ValueError, match="0 … 1"):
        inputs["image"](clahe=True, intensity="zscore")
    saved = {"modality": "image", "clahe": {}, "intensity": {"name": "zscore"}}  # a model's block is not refused
    with pytest.raises(ReadError, match="CLAHE needs intensities in 0 … 1"):
        prepare([tmp_path / "a.png"], [], saved)


def test_mask_follows_its_image(tmp_path, inputs, rng):
    io.write_png(tmp_path / "a.png", rng.integers(0, 255, (40, 20), dtype=np.uint8))
    mask = np.zeros((40, 20), np.uint8)
    mask[:, :10] = 255
    io.write_png(tmp_path / "m.png", mask)
    prepared = prepare([tmp_path / "a.png"], [tmp_path / "m.png"], inputs["image"](shape=[20, 20]))
    assert prepared.mask.shape == (1, 20, 20)
    assert prepared.mask.sum() == 20 * 5
    io.write_png(tmp_path / "m.png", mask[:30])
    with pytest.raises(ReadError, match="30×20 where its image is 40×20"):
        prepare([tmp_path / "a.png"], [tmp_path / "m.png"], inputs["image"]())


def radiograph() -> np.ndarray:
    """Smooth shading with ribs and a bright, round marker: nothing in it is text."""
    y, x = np.mgrid[0:512, 0:512] / 512.0
    chest = 90 + 70 * np.sin(3 * x) * np.cos(2 * y) + 25 * np.sin(40 * y + 6 * x)
    picture = np.clip(chest, 0, 255).astype(np.uint8)
    cv2.circle(picture, (400, 80), 30, 230, -1)
    return picture


@pytest.mark.parametrize("colour", [255, 0])
def test_burned_in_text_is_found_and_blanked(colour):
    picture = radiograph()
    written = picture.copy()
    for line, place_ in (("DOE^JOHN", (20, 30)), ("1961-02-14", (20, 60)), ("ID 4711 0815", (300, 500))):
        cv2.putText(written, line, place_, cv2.FONT_HERSHEY_SIMPLEX, 0.7, colour, 2)
    strokes = np.abs(written.astype(int) - picture) > 60
    blanked, boxes = blank_text(written[..., None])
    assert boxes >= 3
    left = np.abs(blanked[..., 0].astype(int) - written) < 20
    assert (left & strokes).sum() < 0.03 * strokes.sum()
    untouched = (blanked[..., 0] == written).mean()
    assert untouched > 0.9


def test_a_picture_without_text_is_left_alone():
    assert find_text(radiograph()[..., None]) == []


def test_the_texture_of_a_stained_nucleus_is_no_text():
    rng = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(rng.normal(size=(300, 300)).astype(np.float32), (0, 0), 2.2)
    picture = np.full((300, 300, 3), (255, 228, 205), np.float32)
    nucleus = (np.indices((300, 300)) - 150)[0] ** 2 + (np.indices((300, 300)) - 150)[1] ** 2 < 90**2
    picture[nucleus] = (90, 50, 130) + 80 * smooth[nucleus, None] / smooth.std() * (0.35, 0.3, 0.25)
    assert find_text(np.clip(picture, 0, 255).astype(np.uint8)) == []


def test_a_grey_marker_on_a_film_is_found():
    picture = radiograph()
    picture[-30:] = 255  # lead
    cv2.putText(picture, "L", (440, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 205, 2)
    assert any(box.left <= 442 <= box.right and box.top <= 30 <= box.bottom for box in find_text(picture[..., None]))


@pytest.mark.parametrize("letters", ["R", "AP", "MK"])
def test_single_letters_are_found_where_they_are_crisp_and_dots_and_wires_are_not(letters):
    picture = radiograph()
    cv2.circle(picture, (60, 300), 8, 255, -1)  # an electrode
    cv2.polylines(picture, [np.array([[100, 400], [130, 380], [170, 395], [220, 385]], np.int32)], False, 255, 2)
    assert find_text(picture[..., None]) == []
    cv2.putText(picture, letters, (440, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 255, 2)
    result = find_text(picture[..., None])
    assert any(box.top <= 21 < 40 <= box.bottom and box.left <= 442 for box in result)
    assert all(box.left > 400 and box.bottom < 70 for box in result)


def test_a_letter_on_bright_ground_is_found_and_one_that_the_border_cuts_is_none():
    picture = np.full((256, 256), 185, np.uint8)
    picture[200:] = 0  # the range of greys is a whole one
    cv2.line(picture, (80, 0), (86, 10), 255, 2)  # a wire that comes in from outside
    assert find_text(picture[..., None]) == []
    cv2.putText(picture, "R", (180, 60), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 2)
    (box,) = find_text(picture[..., None])
    assert 160 < box.left < 181 < 192 < box.right < 215


def test_text_is_blanked_by_key(tmp_path, inputs):
    picture = radiograph()
    cv2.putText(picture, "DOE^JOHN", (20, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 255, 2)
    io.write_png(tmp_path / "a.png", picture)
    prepared = prepare([tmp_path / "a.png"], [], inputs["image"](mask_text=True))
    assert prepared.facts["text_areas"] >= 1
    assert prepared.tensor[0, 10:36, 15:130].max() < 255


@pytest.mark.parametrize("how", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("size", [(64, 64), (30, 90), None])
def test_a_mask_goes_back_onto_the_pictures_own_pixels(how, size):
    shape = (96, 128)
    y, x = np.mgrid[: shape[0], : shape[1]]
    mask = ((y - 48) ** 2 + (x - 64) ** 2 < 20**2).astype(np.uint8)
    fitted = fit(shape, size, how)
    back = put_back(place(mask, fitted, nearest=True), fitted, shape) > 0.5
    assert back.shape == shape
    if size is None:
        np.testing.assert_array_equal(back, mask)
    inside = put_back(np.ones(fitted.size, np.uint8), fitted, shape) > 0.5  # what the prepared picture shows
    both = (back[inside] & mask[inside]).sum()
    assert 2 * both / (back[inside].sum() + mask[inside].sum()) > 0.93
