import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from scantune import io, preprocess
from scantune.cohort.ids import digest_id, keyed_digest
from scantune.cohort.load import Cohort
from scantune.digests import text_digest
from scantune.preprocess.check import check, print_check, terminal, write_check
from scantune.preprocess.check import pictures as pictures_of
from scantune.preprocess.check.findings import counted_values
from scantune.preprocess.check.identifying import in_table
from scantune.preprocess.check.page import page
from scantune.preprocess.check.unusual import unusual
from scantune.records import Record


@pytest.fixture
def check_result(tmp_path, pictures, inputs, rng):
    records = pictures(12)
    double = tmp_path / "raw" / "again.png"
    double.write_bytes(records[0].files[0].read_bytes())
    dark = tmp_path / "raw" / "dark.png"
    io.write_png(dark, rng.integers(0, 3, (12, 10), dtype=np.uint8))
    for name, path in (("<script>", double), ("Doe^John", dark), ("gone", tmp_path / "raw" / "Bloggs.png")):
        records.append(Record(name, name, (path,), targets={"label": "1"}, groups={"site": "1961-02-14"}))
    cohort = Cohort(records, 17, {"filtered by site": 2}, True)
    return check(cohort, inputs["image"](shape=[8, 8]), tmp_path / "store", progress=False), cohort


def test_many_integers_are_counted_in_bins_of_equally_many():
    counts = counted_values([float(age) for age in range(20, 61)])
    assert counts["20–23"] == counts["52–55"] == 4
    assert counts.pop("60–63") == 1  # the last one alone is not full
    assert set(counts.values()) == {4}  # of 41 ages 4 in each of ten
    assert sum(counted_values([*map(float, range(13)), 2.5]).values()) == 14
    frame_times = counted_values([33.33 + 0.0001 * k for k in range(100)])
    assert (len(frame_times), sum(frame_times.values())) == (12, 100)  # bins that only later digits tell apart
    assert counted_values(["1"] * 3 + ["2"]) == {"1": 3, "2": 1}


def test_counts_duplicates_oddities_and_what_identifies(check_result):
    findings, _ = check_result
    assert [step["samples"] for step in findings.flow["steps"]] == [17, 15, 14]
    assert findings.duplicates == [["x0", "<script>"]]
    assert "Doe^John" in findings.odd_intensities
    assert findings.identifying["group site"] == {"dates": 3}
    assert findings.identifying["subject ids"] == {"names": 1}
    assert findings.histograms["size rows"] == {"12": 14}
    assert findings.histograms["target label"] == {"0": 6, "1": 8}
    assert findings.labels["label"]["site"]["A"] == {"0": 6, "1": 6}
    assert len(findings.thumbnails) == 14


def test_many_that_differ_are_a_note_and_the_most_unusual_comes_first():
    rng = np.random.default_rng(0)
    readings = {}
    for n in range(1000):
        low = 0.0 if n % 7 else 40.0 + n % 40  # of JPEG films most reach black, the others do not
        readings[f"x{n}"] = {"own_low": low, "own_high": 255.0, "own_mean": 120 + 8 * rng.normal(), "own_sd": 60.0}
    readings["x3"]["own_mean"], readings["x5"]["own_mean"] = 230.0, 250.0
    odd, notes = unusual(readings)
    assert list(odd) == ["x5", "x3"]
    assert len(notes) == 1
    assert notes[0].startswith("smallest value: ")


def test_digests_of_our_own_are_not_identifying():
    ids = [digest_id(f"folder/{n}.png") for n in range(2000)] + [keyed_digest(str(n), b"k" * 16) for n in range(2000)]
    records = [Record(name, f"{n % 7}_{text_digest(str(n), 8)}", (Path("x"),)) for n, name in enumerate(ids)]
    assert in_table(records) == {}
    numbers = [Record(f"{n:08d}", f"{n:08d}", (Path("x"),)) for n in range(20)]
    assert in_table(numbers)["sample ids"]["long numbers"] == 20


def test_page_and_facts_escape_markup_and_hold_no_path(check_result, tmp_path):
    findings, _ = check_result
    write_check(tmp_path / "check", "demo", findings)
    page = (tmp_path / "check" / "check.html").read_text()
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert page.count("data:image/png") == 14
    assert "http://" not in page.replace("http-equiv", "")
    facts = json.loads((tmp_path / "check" / "check.json").read_text())
    assert facts["excluded"]["gone"].startswith("there is no such file")
    for text in (page, json.dumps(facts)):
        assert "Bloggs" not in text
        assert str(tmp_path) not in text


def test_the_page_does_not_say_none_where_the_cohort_differs_as_a_whole(check_result):
    findings = replace(check_result[0], odd_intensities={})
    for notes, count in (((), 1), (("mean: 5 of 9 samples are far from the median",), 0)):
        section = page("demo", replace(findings, intensity_notes=notes)).partition("<h2>Unusual intensities</h2>")[2]
        assert section.partition("<h2>")[0].count("None.") == count


def test_the_terminal_says_which_file(check_result):
    findings, _ = check_result
    screen = StringIO()
    print_check("demo", findings, Console(file=screen, width=200))
    assert "Bloggs.png" in screen.getvalue()
    assert "the same image" in screen.getvalue()


def test_preprocess_finds_what_the_check_prepared(check_result, inputs, tmp_path):
    _, cohort = check_result
    summary = preprocess.run(cohort, inputs["image"](shape=[8, 8]), tmp_path / "out", tmp_path / "store",
                             max_excluded_fraction=0.2)  # fmt: skip
    assert summary.newly_prepared == 0


def test_names_in_headers_are_counted_by_item_not_shown(tmp_path, inputs, rng):
    path = tmp_path / "a.dcm"
    io.write_dicom_image(path, rng.integers(0, 4095, (16, 16)).astype(np.uint16), patient_id="4711", seed="1", bits=12,
                         tags={"PatientName": "DOE^JANE"})  # fmt: skip
    findings = check(Cohort([Record("a", "a", (path,))], 1), inputs["image"](), tmp_path / "store", progress=False)
    assert findings.identifying["header"]["PatientName"] == 1
    assert "DOE" not in json.dumps(findings.as_dict())
    assert "4711" not in json.dumps(findings.as_dict())


def test_volumes_are_shown_with_their_own_spacing(tmp_path, inputs):
    array = np.arange(10 * 12 * 14, dtype=np.float32).reshape(10, 12, 14)
    io.write_nifti(tmp_path / "a.nii.gz", io.Volume(array, np.diag([1, 2, 3, 1.0])))
    records = [Record("a", "a", (tmp_path / "a.nii.gz",))]
    findings = check(Cohort(records, 1), inputs["volume"](spacing=[3, 3, 3]), tmp_path / "store", progress=False)
    first = {name: next(iter(counts)) for name, counts in findings.histograms.items()}
    assert [first[f"size {axis}"] for axis in "RAS"] == ["14", "12", "10"]
    assert [first[f"spacing {axis} (mm)"] for axis in "RAS"] == ["1", "2", "3"]


def test_a_volume_is_seen_as_radiologists_read_it_and_in_the_proportions_of_its_spacing(monkeypatch) -> None:
    tensor = np.zeros((1, 3, 20, 10), np.float32)  # C D H W: upwards, forwards, from left to right of the patient
    tensor[0, 1, 16:, 6:] = 1.0  # in front, on the patient's right
    facts = {"reading": {"affine": np.diag([1.0, 2.0, 5.0, 1.0]).tolist()}}
    monkeypatch.setattr(pictures_of.store, "load", lambda path: {"input": tensor})
    monkeypatch.setattr(pictures_of.store, "facts", lambda path: facts)
    seen = pictures_of.picture(Path("sample"))
    assert seen.shape == (96, 24)  # 40 mm by 10 mm
    rows, columns = np.nonzero(seen > 128)
    assert rows.max() < 96 / 4
    assert columns.max() < 24 / 2


def test_a_bar_of_nothing_has_no_length_and_a_small_one_some() -> None:
    assert [terminal._blocks(n, 1000) for n in (0, 1, 500, 1000)] == [0, 1, 12, 24]


def test_show_has_a_volume_in_the_proportions_of_its_spacing() -> None:
    from scantune.commands.showing import _picture

    tensor = np.arange(3 * 20 * 10, dtype=np.float32).reshape(1, 3, 20, 10)
    seen = _picture(tensor, "volume", "sample", np.diag([1.0, 2.0, 5.0, 1.0]))
    assert seen.aspect == 2.0
    assert seen.sides == ("R", "L")
    assert np.array_equal(seen.pixels, tensor[0, 1, ::-1, ::-1])
