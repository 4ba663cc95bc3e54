"""Outlines of ImageScope, ASAP, labelme and VIA, written as these programs write them, to masks."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scantune.cohort.annotations import forms
from scantune.cohort.annotations.masks import masks_of
from scantune.cohort.annotations.run_lengths import Counting
from scantune.cohort.coco_masks import filled
from scantune.cohort.faults import CohortError
from tests.cohort.test_run_lengths import blob, drawn, picture

SHAPE = (40, 60)
SQUARE = [(10, 5), (30, 5), (30, 25), (10, 25)]
HOLE = [(15, 10), (20, 10), (20, 15), (15, 15)]
TRIANGLE = [(35.5, 8), (55, 30.25), (33, 32)]
Points = Sequence[tuple[float, float]]


def area(*outlines: Points, without: Sequence[Points] = ()) -> np.ndarray:
    """bool [H, W]: as COCO's polygons are filled."""
    flat = [[value for point in outline for value in point] for outline in outlines]
    holes = [[value for point in outline for value in point] for outline in without]
    return filled(flat, SHAPE) & ~filled(holes, SHAPE)


def region(points: Points, kind: int = 0, negative: int = 0) -> str:
    vertices = "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in points)
    return f'<Region Id="1" Type="{kind}" Text="" NegativeROA="{negative}"><Vertices>{vertices}</Vertices></Region>'


def imagescope(*layers: tuple[str, str]) -> str:
    texts = [
        f'<Annotation Id="{i}" Name="" LineColor="65280"><Attributes>{name}</Attributes><Regions>'
        f"<RegionAttributeHeaders/>{regions}</Regions><Plots/></Annotation>"
        for i, (name, regions) in enumerate(layers, 1)
    ]
    return f'<?xml version="1.0"?>\n<Annotations MicronsPerPixel="0.252000">{"".join(texts)}</Annotations>'


def home(tmp_path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = tmp_path / "d" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "d"


def test_regions_of_imagescope_with_holes_rectangles_and_ellipses(tmp_path):
    """MoNuSeg's layout: images and annotations in folders of their own."""
    first = imagescope(("", region(SQUARE) + region(HOLE, negative=1) + region(TRIANGLE) + region([(1, 1), (5, 5)])))
    second = imagescope(("", region([(10, 5), (30, 25)], kind=1) + region([(2, 2), (9, 9)], kind=4)),
                        ("", region([(30, 10), (50, 30)], kind=2)))  # fmt: skip
    root = home(tmp_path, {"Annotations/TCGA-1-DX1.xml": first, "Annotations/TCGA-2.xml": second,
                           "Annotations/TCGA-3.xml": imagescope(("", "")),
                           "Annotations/TCGA-9.xml": first})  # fmt: skip
    for i in range(1, 5):
        picture(root / f"Tissue Images/TCGA-{i}{'-DX1' if i == 1 else ''}.png", SHAPE)
    written = masks_of({"": root / "Annotations"}, root / "masks", images="..")
    rows, masks = drawn(written, root)
    assert np.array_equal(masks["TCGA-1-DX1"] > 0, area(SQUARE, TRIANGLE, without=[HOLE]))
    assert np.array_equal(masks["TCGA-2"][:, :29] > 0, area(SQUARE)[:, :29])
    y, x = np.mgrid[:40, :60] + 0.5
    ellipse = ((x - 40) / 10) ** 2 + ((y - 20) / 10) ** 2 < 1
    assert ((masks["TCGA-2"] > 0) ^ (area(SQUARE) | ellipse)).sum() <= 16
    assert not masks["TCGA-3"].any()
    assert set(rows) == {"TCGA-1-DX1", "TCGA-2", "TCGA-3"}
    told = "\n".join(written.notes)
    assert "4 files of ImageScope or ASAP" in told
    assert "1 lines, arrows or points are not drawn" in told
    assert "1 outlines of fewer than three points" in told
    assert "1 annotations are of no image below" in told
    assert "1 image has no annotation (Tissue Images/TCGA-4.png)" in told


def test_what_leaves_no_pixel_is_counted(tmp_path):
    text = imagescope(("", region([(10, 5), (20, 5), (30, 5)])), ("", region(SQUARE)), ("", region(HOLE, negative=1)))
    root = home(tmp_path, {"a.xml": text})
    picture(root / "images/a.png", SHAPE)
    notes = masks_of({"": root / "a.xml"}, root / "m").notes
    assert "1 annotations are thinner than a pixel, and nothing is drawn of them" in notes
    assert "1 negative regions of layers without an outline are not drawn" in notes


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_an_island_in_a_hole_is_drawn(tmp_path, order):
    island = [(16.5, 11.5), (18.5, 11.5), (18.5, 13.5), (16.5, 13.5)]
    regions = [region(SQUARE), region(HOLE, negative=1), region(island)]
    root = home(tmp_path, {"a.xml": imagescope(("", "".join(regions[i] for i in order)))})
    picture(root / "images/a.png", SHAPE)
    _, masks = drawn(masks_of({"": root / "a.xml"}, root / "m"), root)
    assert area(island).any()
    assert np.array_equal(masks["a"] > 0, area(SQUARE, without=[HOLE]) | area(island))


def test_layers_of_imagescope_are_categories_by_their_attribute(tmp_path):
    """As MoNuSAC names them."""
    layers = [(f'<Attribute Name="{name}" Id="0" Value=""/>', region(points))
              for name, points in (("Epithelial", SQUARE), ("Lymphocyte", TRIANGLE))]  # fmt: skip
    root = home(tmp_path, {"TCGA/a.xml": imagescope(*layers)})
    picture(root / "TCGA/a.png", SHAPE)
    written = masks_of({"": root / "TCGA"}, tmp_path / "m", labels="category")
    _, masks = drawn(written, tmp_path)
    assert np.array_equal(masks["a"], area(SQUARE) + 2 * area(TRIANGLE).astype(np.uint8))
    assert "labels: Epithelial 1, Lymphocyte 2" in written.notes


def test_groups_of_asap_are_categories(tmp_path):
    def one(group: str, kind: str, points: Points) -> str:
        corners = "".join(f'<Coordinate Order="{i}" X="{x}" Y="{y}" />' for i, (x, y) in enumerate(points))
        inside = f"<Coordinates>{corners}</Coordinates>"
        return f'<Annotation Name="_0" Type="{kind}" PartOfGroup="{group}">{inside}</Annotation>'

    text = one("Tumor", "Polygon", SQUARE) + one("None", "Spline", TRIANGLE) + one("Tumor", "Dot", [(3, 3)])
    root = home(tmp_path, {"a.xml": f"<ASAP_Annotations><Annotations>{text}</Annotations></ASAP_Annotations>"})
    picture(root / "images/a.png", SHAPE)
    rows, masks = drawn(masks_of({"": root / "a.xml"}, root / "m", labels={"Tumor": 3}), root)
    assert np.array_equal(masks["a"], 3 * area(SQUARE).astype(np.uint8))
    assert rows["a"]["categories"] == "Tumor"


def labelme(image: str, *shapes: tuple[str, str, Points], size: tuple[int | None, int | None] = SHAPE) -> str:
    listed = [
        {"label": label, "points": points, "shape_type": kind, "group_id": None} for label, kind, points in shapes
    ]
    return json.dumps({"version": "5.4", "flags": {}, "shapes": listed, "imagePath": image, "imageData": None,
                       "imageHeight": size[0], "imageWidth": size[1]})  # fmt: skip


def test_shapes_of_labelme(tmp_path):
    root = home(tmp_path, {
        "p1/a.json": labelme("a.png", ("cell", "polygon", TRIANGLE), ("cell", "rectangle", [(30, 25), (10, 5)]),
                             ("cell", "point", [(1, 1)])),
        "p2/a.json": labelme("..\\p2\\A.PNG", ("cell", "circle", [(20, 20), (30, 20)])),
        "p2/settings.json": '{"theme": "dark"}',
    })  # fmt: skip
    for folder in ("p1", "p2"):
        picture(root / f"{folder}/a.png", SHAPE)
    written = masks_of({"": root}, tmp_path / "m")
    rows, masks = drawn(written, tmp_path)
    by_file = {row["file"]: masks[name] > 0 for name, row in rows.items()}
    assert np.array_equal(by_file["d/p1/a.png"], area(SQUARE, TRIANGLE))
    assert by_file["d/p2/a.png"].sum() == pytest.approx(np.pi * 100, rel=0.03)
    assert "1 file is something else (settings.json)" in written.notes


def encoded(mask: np.ndarray) -> tuple[list[list[float]], str]:
    """Corners of a mask's box and its PNG, as labelme writes them."""
    rows, columns = np.nonzero(mask)
    part = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    buffer = BytesIO()
    Image.fromarray(part.astype(np.uint8) * 255).save(buffer, "PNG")
    corners = [[float(columns.min()), float(rows.min())], [float(columns.max()), float(rows.max())]]
    return corners, base64.b64encode(buffer.getvalue()).decode()


def test_masks_of_labelme(tmp_path):
    content = json.loads(labelme("a.png", ("cell", "polygon", TRIANGLE), ("cell", "mask", [])))
    content["shapes"][1]["points"], content["shapes"][1]["mask"] = encoded(blob(3))
    root = home(tmp_path, {"a.json": json.dumps(content)})
    picture(root / "a.png", SHAPE)
    _, masks = drawn(masks_of({"": root}, tmp_path / "m"), tmp_path)
    assert np.array_equal(masks["a"] > 0, area(TRIANGLE) | blob(3))
    for wrong in ({"points": [[50, 30], [60, 40]]}, {"mask": "no"}, {"mask": encoded(np.ones((50, 70)))[1]}):
        broken = {**content, "shapes": [{**content["shapes"][1], **wrong}]}
        (root / "a.json").write_text(json.dumps(broken))
        with pytest.raises(CohortError, match=r"shape 1 of a\.json: its mask cannot be drawn"):
            masks_of({"": root}, tmp_path / "again")


def shape_of_cvat(mask: np.ndarray, label: str) -> str:
    """Run lengths of a mask along the rows of its box, background first, as CVAT has them."""
    rows, columns = np.nonzero(mask)
    top, left = rows.min(), columns.min()
    flat = mask[top : rows.max() + 1, left : columns.max() + 1].ravel()
    edges = np.flatnonzero(np.diff(flat.astype(int))) + 1
    counts = [0] * bool(flat[0]) + np.diff([0, *edges, flat.size]).tolist()
    return (
        f'<mask label="{label}" rle="{", ".join(map(str, counts))}" left="{left}" top="{top}" '
        f'width="{columns.max() + 1 - left}" height="{rows.max() + 1 - top}" z_order="0"/>'
    )


def cvat(*images: tuple[str, str], size: tuple[object, object] = SHAPE) -> str:
    texts = [f'<image id="{i}" name="{name}" width="{size[1]}" height="{size[0]}">{shapes}</image>'
             for i, (name, shapes) in enumerate(images)]  # fmt: skip
    return f'<?xml version="1.0"?><annotations><version>1.1</version><meta/>{"".join(texts)}</annotations>'


def test_shapes_of_cvat(tmp_path):
    points = ";".join(f"{x:.2f},{y:.2f}" for x, y in TRIANGLE)
    above = f'<polygon label="b" points="{points}" z_order="4"/>'
    box = '<box label="a" xtl="10.0" ytl="5.0" xbr="30.0" ybr="25.0" z_order="1"/>'
    quarter = '<box label="a" xtl="10.0" ytl="5.0" xbr="30.0" ybr="15.0" rotation="90.0" z_order="0"/>'
    other = '<ellipse label="b" cx="30" cy="20" rx="12" ry="6"/><polyline label="b" points="1,1;2,2"/><tag label="x"/>'
    root = home(tmp_path, {"annotations.xml": cvat(
        ("one/a.png", above + box), ("two/a.png", shape_of_cvat(blob(3), "a")), ("c.png", other), ("d.png", quarter),
        ("e.png", ""),
    )})  # fmt: skip
    for name in ("one/a", "two/a", "c", "d", "e"):
        picture(root / f"images/{name}.png", SHAPE)
    written = masks_of({"": root / "annotations.xml"}, tmp_path / "m", labels="category")
    rows, masks = drawn(written, tmp_path)
    by_file = {row["file"].removeprefix("d/images/"): masks[name] for name, row in rows.items()}
    expected = np.where(area(SQUARE), 1, 0)
    assert np.array_equal(by_file["one/a.png"], np.where(area(TRIANGLE), 2, expected))
    assert np.array_equal(by_file["two/a.png"], blob(3) * 1)
    assert (by_file["c.png"] == 2).sum() == pytest.approx(np.pi * 72, rel=0.03)
    assert np.array_equal(by_file["d.png"], area([(15, 0), (25, 0), (25, 20), (15, 20)]) * 1)
    assert not by_file["e.png"].any()
    assert "1 lines, arrows or points are not drawn" in written.notes


LABEL_STUDIO = [{"id": 1, "data": {"image": "/data/upload/1/a.png"}, "annotations": [{"result": []}]}]
VIA_3 = {"project": {}, "config": {}, "attribute": {}, "file": {}, "metadata": {}, "view": {}}
SUPERVISELY = {"description": "", "tags": [], "size": {"height": 40, "width": 60}, "objects": []}
VIDEO = '<annotations><version>1.1</version><meta/><track id="0" label="a"><box frame="0"/></track></annotations>'


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.json", json.dumps(LABEL_STUDIO), "Label Studio: export them as COCO"),
        ("a.json", json.dumps(VIA_3), "VIA 3: export them as COCO"),
        ("a.json", json.dumps(SUPERVISELY), "Supervisely: export them as COCO"),
        ("a.xml", VIDEO, "tracks of a video: export them as 'CVAT for images"),
        ("a.txt", "0 0.1 0.2 0.3 0.2 0.3 0.4\n1 0.5 0.5 0.6 0.5 0.6 0.7\n", "YOLO, fractions of the picture: export"),
        ("a.txt", "0 0.5 0.5 0.2 0.2\n", "YOLO, boxes and no outlines"),
        ("a.xml", cvat(("a.png", '<box label="a" xtl="1"/>')), r"shape 1 of a\.png in a\.xml: .*ytl"),
        ("a.xml", cvat(("a.png", '<star label="a"/>')), "a shape of the kind 'star' is not read"),
        ("a.xml", cvat(("a.png", ""), size=(80, 120)), r"drawn on 120×80 pixels, and a\.png has 60×40"),
        ("a.xml", cvat(("a.png", ""), size=("x", 120)), "height and width are no numbers from 1 to"),
        ("a.xml", cvat(("a.png", '<mask label="a" rle="1, 2" left="0" top="0" width="2" height="2"/>')), "3 pixels"),
        ("a.xml", cvat(("a.png", '<mask label="a" rle="0, 4" left="59" top="0" width="2" height="2"/>')), "leaves"),
    ],
)  # fmt: skip
def test_annotations_of_other_tools_are_told_with_what_to_export(tmp_path, name, text, words):
    root = home(tmp_path, {f"labels/{name}": text})
    picture(root / "images/a.png", SHAPE)
    with pytest.raises(CohortError, match=words):
        masks_of({"": root / "labels"}, root / "m", images="../images" if name != "a.txt" else "")
    assert not (root / "m").exists()


def via(old: bool = False, **regions: tuple[str, dict[str, object]]) -> dict[str, object]:
    listed = [{"shape_attributes": shape, "region_attributes": {"type": {"benign": True, "x": False} if old else name}}
              for name, shape in regions.values()]  # fmt: skip
    return {str(i): one for i, one in enumerate(listed)} if old else listed  # type: ignore[return-value]


POLYGON = {"name": "polygon", "all_points_x": [x for x, _ in SQUARE], "all_points_y": [y for _, y in SQUARE]}
ELLIPSE = {"name": "ellipse", "cx": 40, "cy": 20, "rx": 10, "ry": 5, "theta": np.pi / 2}


@pytest.mark.parametrize("form", ["project", "export", "version 1", "csv"])
def test_regions_of_via(tmp_path, form):
    regions = via(form == "version 1", a=("benign", POLYGON), b=("benign", ELLIPSE), c=("benign", {"name": "point"}))
    images = {"a.png123": {"filename": "a.png", "size": 123, "regions": regions, "file_attributes": {}},
              "b.png9": {"filename": "b.png", "size": 9, "regions": [], "file_attributes": {}}}  # fmt: skip
    root = home(tmp_path, {"via.json": json.dumps({"_via_img_metadata": images} if form == "project" else images)})
    path = root / "via.json"
    if form == "csv":
        path = root / "via.csv"
        head = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(head.split(","))
            for i, one in enumerate(regions):  # type: ignore[arg-type]
                shape, attributes = json.dumps(one["shape_attributes"]), json.dumps(one["region_attributes"])
                writer.writerow(["a.png", 123, "{}", 3, i, shape, attributes])
            writer.writerow(["b.png", 9, "{}", 0, 0, "{}", "{}"])
    for name in "abc":
        picture(root / f"images/{name}.png", SHAPE)
    written = masks_of({"": path}, root / "m", labels="category")
    rows, masks = drawn(written, root)
    assert set(rows) == {"a", "b"}
    assert rows["a"]["categories"] == "benign"
    y, x = np.mgrid[:40, :60] + 0.5
    ellipse = ((x - 40) / 5) ** 2 + ((y - 20) / 10) ** 2 < 1
    assert ((masks["a"] > 0) ^ (area(SQUARE) | ellipse)).sum() <= 10
    assert not masks["b"].any()
    assert any(note.startswith("1 image has no annotation (images/c.png)") for note in written.notes)


def test_several_attributes_of_via_are_asked_for(tmp_path):
    regions = [{"shape_attributes": POLYGON, "region_attributes": {"grade": "2", "organ": "liver"}}]
    root = home(tmp_path, {"via.json": json.dumps({"a": {"filename": "a.png", "regions": regions}})})
    picture(root / "images/a.png", SHAPE)
    with pytest.raises(CohortError, match=r"several attributes, grade, organ: .*--category"):
        masks_of({"": root / "via.json"}, root / "m")
    rows, _ = drawn(masks_of({"": root / "via.json"}, root / "m", category="organ"), root)
    assert rows["a"]["categories"] == "liver"
    with pytest.raises(CohortError, match=r"no attribute 'grad'; did you mean 'grade'"):
        masks_of({"": root / "via.json"}, root / "m", category="grad")


def test_regions_of_an_image_of_via_that_is_not_there_are_not_those_of_another(tmp_path):
    """Not even where the file of the annotations is named as that one is."""
    images = {str(i): {"filename": f"00{i}.png", "regions": via(a=("x", POLYGON))} for i in (1, 2)}
    images["1"]["regions"] = []
    root = home(tmp_path, {"001.json": json.dumps(images)})
    picture(root / "images/001.png", SHAPE)
    written = masks_of({"": root / "001.json"}, root / "m")
    assert not drawn(written, root)[1]["001"].any()
    assert any(note.startswith("1 annotations are of no image below") for note in written.notes)


def test_options_of_other_annotations_are_refused(tmp_path):
    root = home(tmp_path, {"a/a.json": labelme("a.png", ("m", "polygon", SQUARE))})
    picture(root / "images/a.png", SHAPE)
    for options, words in (
        ({"only": "reader=1"}, "--rows is of tables"),
        ({"counting": Counting(order="rows")}, "--order, --starts and --first are of tables"),
        ({"category": "type"}, "--category is a column of a table or an attribute of VIA"),
    ):
        with pytest.raises(CohortError, match=words):
            masks_of({"": root / "a"}, root / "m", images="../images", **options)


def test_a_folder_that_paths_start_from_has_both_images_and_masks(tmp_path):
    root = home(tmp_path, {"a/a.json": labelme("a.png", ("m", "polygon", SQUARE))})
    picture(root / "images/a.png", SHAPE)
    for stated, beyond in ((root / "images", "m"), (root / "m", "images")):
        with pytest.raises(CohortError, match=rf"{beyond} is not below it: name a folder that has both"):
            masks_of({"": root / "a"}, root / "m", images="../images", root=stated)
        assert not (root / "m").exists()


def test_a_file_of_via_without_regions_has_no_attribute_to_lack(tmp_path):
    regions = {"a": via(a=("x", POLYGON)), "b": []}
    files = {f"v/{n}.json": json.dumps({n: {"filename": f"{n}.png", "regions": regions[n]}}) for n in "ab"}
    root = home(tmp_path, files | {"v/b.json": "\ufeff" + files["v/b.json"]})
    for name in "ab":
        picture(root / f"images/{name}.png", SHAPE)
    _, masks = drawn(masks_of({"": root / "v"}, root / "m", images="../images", category="type"), root)
    assert masks["a"].any()
    assert not masks["b"].any()


def test_two_images_of_via_are_not_one_file(tmp_path):
    images = {str(i): {"filename": f"{i}/a.png", "regions": via(a=("x", POLYGON))} for i in (1, 2)}
    root = home(tmp_path, {"via.json": json.dumps(images)})
    picture(root / "images/a.png", SHAPE)
    with pytest.raises(CohortError, match=r"via\.json: '1/a\.png' and '2/a\.png' are both of images/a\.png"):
        masks_of({"": root / "via.json"}, root / "m")


def test_a_cell_of_via_that_is_not_json_is_named_by_its_line(tmp_path):
    text = "filename,region_shape_attributes,region_attributes\n\na.png,{},{}\na.png,{x},{}\n"
    root = home(tmp_path, {"via.csv": text})
    picture(root / "images/a.png", SHAPE)
    with pytest.raises(CohortError, match=r"row 4, column 'region_shape_attributes': '\{x\}' is not JSON"):
        masks_of({"": root / "via.csv"}, root / "m")


BOMB = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "aaaa"><!ENTITY y "&x;&x;">]><Annotations>&y;</Annotations>'
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Annotations>&x;</Annotations>'


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.xml", BOMB, "declares a document type or entities"),
        ("a.xml", OUTSIDE, "declares a document type or entities"),
        ("a.xml", "<Annotations><Annotation>", r"not readable as XML \(no element found"),
        (
            "a.xml",
            "<annotation><object><bndbox/></object></annotation>",
            "nothing that can be drawn: Pascal VOC, which has boxes",
        ),
        ("a.xml", imagescope(("", region([("x", 1), (2, 2), (3, 1)]))), "X is 'x', not a number"),  # type: ignore[list-item]
        ("a.xml", imagescope(("", region([(900, 5), (930, 5), (930, 25)]))), r"outside of the picture of 60×40"),
        ("a.xml", imagescope(("", region([(1, 5), (30, 5), (30, 1e9)]))), r"outside of the picture of 60×40"),
        ("a.json", "[1, 2", "not readable as JSON"),
        ("a.json", '{"a.png": "mass"}', "nothing that can be drawn: CVAT, ImageScope"),
        ("a.json", labelme("a.png", size=(80, 120)), r"drawn on 120×80 pixels, and images/a\.png has 60×40"),
        (
            "a.json",
            labelme("a.png", size=(60, 40)),
            r"drawn on 40×60 pixels, and .* has 60×40: is it turned by an EXIF",
        ),
        ("a.json", labelme("a.png", size=(80.0, 120.0)), r"drawn on 120×80 pixels.*: is it a copy of another size"),  # type: ignore[arg-type]
        ("a.json", labelme("a.png", ("x", "star", SQUARE)), "a shape of the kind 'star' is not read; read are polygon"),
        ("a.json", labelme("a.png", ("x", "polygon", [(1, 2, 3)])), "shape 1 of a.json: its corners are no numbers"),  # type: ignore[list-item]
        ("a.json", labelme("a.png", ("x", "polygon", [(10**400, 1), (2, 2), (3, 1)])), "its corners are no numbers"),
        ("a.json", '{"a": {"filename": "a.png", "regions": 3}}', "nothing that can be drawn: CVAT, ImageScope"),
        ("a.json", '{"a": {"filename": "a.png", "regions": [3]}}', "a shape of the kind '' is not read"),
        (
            "a.json",
            json.dumps(
                {
                    "a": {
                        "filename": "a.png",
                        "regions": [
                            {
                                "shape_attributes": {"name": "circle", "cx": 5, "cy": 5, "r": "x"},
                                "region_attributes": [1],
                            }
                        ],
                    }
                }
            ),
            "region 1 of a.png in a.json: its corners are no numbers: .*'r': 'x'",
        ),
        ("a.json", '{"shapes": [3], "imagePath": null}', "shape 1 of a.json: its corners are no numbers"),
        ("a.json", labelme("z.png").replace("a.json", "q"), ""),
    ],
)
def test_what_cannot_be_drawn_is_named(tmp_path, name, text, words):
    root = home(tmp_path, {name: text})
    picture(root / "images/a.png", SHAPE)
    if not words:  # the image is the one that the file is named after
        assert len(drawn(masks_of({"": root / name}, root / "m"), root)[0]) == 1
        return
    with pytest.raises(CohortError, match=words):
        masks_of({"": root / name}, root / "m")
    assert not (root / "m").exists()


@pytest.mark.parametrize("name", ["a.xml", "a.json"])
def test_a_large_file_is_refused_before_it_is_read(tmp_path, monkeypatch, name):
    root = home(tmp_path, {name: "{" * 2000})
    picture(root / "images/a.png", SHAPE)
    monkeypatch.setattr(forms, "_MOST_MEGABYTES", 0.001)
    with pytest.raises(CohortError, match=r"it has 0 MB; at most 0\.001 are read"):
        masks_of({"": root / name}, root / "m")


def test_two_readers_of_one_image_are_not_mixed(tmp_path):
    text = imagescope(("", region(SQUARE)))
    root = home(tmp_path, {"reader1/a.xml": text, "reader2/a.xml": text})
    picture(root / "images/a.png", SHAPE)
    with pytest.raises(CohortError, match=r"images/a\.png is annotated in .*reader1.* and in .*reader2.*rater_masks"):
        masks_of({"": root}, root / "m")
    rows, masks = drawn(masks_of({"": root / "reader2"}, root / "m", images=".."), root)
    assert np.array_equal(masks["a"] > 0, area(SQUARE))
    assert rows["a"]["file"] == "images/a.png"


def test_two_readers_of_one_folder_are_told_by_a_pattern_of_their_files(tmp_path):
    shapes = {"r1": SQUARE, "r2": TRIANGLE}
    root = home(tmp_path, {f"a_{r}.json": labelme("a.png", ("m", "polygon", p)) for r, p in shapes.items()})
    picture(root / "a.png", SHAPE)
    with pytest.raises(CohortError, match=r"a_r1\.json and in .*a_r2\.json: by two readers\?"):
        masks_of({"": root}, tmp_path / "m")
    _, masks = drawn(masks_of({"": root / "*_r2.json"}, tmp_path / "m"), tmp_path)
    assert np.array_equal(masks["a"] > 0, area(TRIANGLE))
    with pytest.raises(CohortError, match="name a table or another file, or a folder or pattern"):
        masks_of({"": root / "*_r3.json"}, tmp_path / "n")


def test_masks_are_png_of_0_and_255(tmp_path):
    root = home(tmp_path, {"a.xml": imagescope(("", region(SQUARE)))})
    picture(root / "images/a.png", SHAPE)
    masks_of({"": root / "a.xml"}, root / "m")
    with Image.open(root / "m/masks/a.png") as mask:
        assert (mask.mode, mask.size, set(np.unique(np.asarray(mask)))) == ("L", (60, 40), {0, 255})
