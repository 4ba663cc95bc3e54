import ast
import csv
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from scantune import io, preprocess
from scantune.cohort.index import read_index, write_index
from scantune.cohort.load import Cohort
from scantune.preprocess import display, display_copy, sources, store, version
from scantune.preprocess.brain import extraction, registration
from scantune.preprocess.run import TooManyExcluded
from scantune.preprocess.sample import Job, process, sample_key
from scantune.records import Record, ScantuneError


def outputs(out: Path) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


@pytest.fixture
def run(tmp_path):
    def call(records, block, out="out", **options):
        return preprocess.run(records, block, tmp_path / out, tmp_path / "store", **options)

    return call


def test_manifest_excluded_and_flow(run, pictures, inputs, tmp_path):
    records = pictures(6)
    (tmp_path / "raw" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nDoe John 1961")
    records += [
        Record("bad", "s9", (tmp_path / "raw" / "broken.png",), targets={"label": "0"}, groups={"site": "A"}),
        Record("gone", "s9", (tmp_path / "raw" / "gone.png",), targets={"label": "0"}, groups={"site": "A"}),
    ]
    cohort = Cohort(records, 10, {"filtered by site": 2}, True)
    summary = run(cohort, inputs["image"](shape=[8, 8]), max_excluded_fraction=0.5)
    assert (summary.prepared, summary.newly_prepared) == (6, 6)
    rows = preprocess.read_manifest(tmp_path / "out" / "manifest.csv")
    assert [(r.sample_id, r.subject_id, r.targets["label"], r.groups["site"]) for r in rows[:2]] == [
        ("x0", "s0", "0", "A"), ("x1", "s0", "1", "A")]  # fmt: skip
    assert rows[0].shape == (1, 8, 8)
    with (tmp_path / "out" / "excluded.csv").open() as file:
        excluded = list(csv.reader(file))
    assert [row[0] for row in excluded] == ["sample_id", "bad", "gone"]
    assert "no such file" in excluded[2][1]
    flow = json.loads((tmp_path / "out" / "flow.json").read_text())
    assert [(s["name"], s["samples"], sum(s["excluded"].values())) for s in flow["steps"]] == [
        ("in the table", 10, 2), ("selected", 8, 2), ("prepared", 6, 0)]  # fmt: skip


def test_a_package_that_is_not_installed_stops_the_run_and_is_no_fault_of_samples(run, inputs, tmp_path, monkeypatch):
    """Whatever is missing: the networks, the template, or what registers."""
    array = np.pad(np.arange(512, dtype=np.float32).reshape(8, 8, 8) + 1, 4)
    io.write_nifti(tmp_path / "scan.nii", io.Volume(array, np.eye(4)))
    records = [Record("a", "a", (tmp_path / "scan.nii",))]
    monkeypatch.setattr("scantune.packaged.PackagedFile.installed_file", lambda self: None)
    registration.template.cache_clear()  # other tests in this process have read them
    extraction._network.cache_clear()
    for brain, package in (({}, "deepbet"), ({"extract": "stripped", "bias_field": False}, "nilearn")):
        block = inputs["volume"](brain=brain)
        with pytest.raises(ScantuneError, match=rf"package {package} is not installed: pip install"):
            run(Cohort(records, 1, {}, True), block)
    assert not (tmp_path / "out" / "excluded.csv").exists()
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "SimpleITK" else found(name))
    with pytest.raises(ScantuneError, match=r"brain\.bias_field: package SimpleITK is not installed"):
        run(Cohort(records, 1, {}, True), inputs["volume"](brain={"extract": "stripped"}))


def test_too_many_left_out_fails_after_all_is_written(run, pictures, inputs, tmp_path):
    records = [
        *pictures(2),
        Record("gone", "s9", (tmp_path / "none.png",), targets={"label": "0"}, groups={"site": ""}),
    ]
    with pytest.raises(TooManyExcluded, match=r"1 of 3 .*max_excluded_fraction 0\.1.*1 × there is no such file"):
        run(records, inputs["image"]())
    assert (tmp_path / "out" / "excluded.csv").exists()


def test_nothing_is_done_twice_and_one_more_subject_decodes_one(run, pictures, inputs, tmp_path):
    block = inputs["image"](shape=[8, 8])
    assert run(pictures(5), block).newly_prepared == 5
    first = outputs(tmp_path / "out")
    assert run(pictures(5), block).newly_prepared == 0
    assert outputs(tmp_path / "out") == first
    assert run(pictures(6), block).newly_prepared == 1
    assert run(pictures(3), block).newly_prepared == 0
    assert len(list((tmp_path / "out" / "samples").iterdir())) == 3


def test_settings_content_code_and_libraries_change_the_key_and_where_it_runs_does_not(inputs, monkeypatch):
    block = inputs["image"](shape=[8, 8]).model_dump(mode="json")
    key = sample_key(["a"], [], block)
    assert sample_key(["a"], [], block | {"workers": 7, "verify_fraction": 0.1}) == key
    others = [
        sample_key(["b"], [], block),
        sample_key(["a"], ["m"], block),
        sample_key(["a"], [], block | {"shape": [9, 8]}),
    ]
    monkeypatch.setattr("scantune.preprocess.sample.code_version", lambda: "another")
    others.append(sample_key(["a"], [], block))
    monkeypatch.undo()
    monkeypatch.setattr("scantune.preprocess.sample.library_versions", lambda: {"numpy": "0"})
    others.append(sample_key(["a"], [], block))
    assert len({key, *others}) == 6


def test_the_key_counts_every_module_whose_code_shapes_a_tensor_or_mask():
    """What the makers import is counted itself, or only carries values: files, settings, facts."""
    package = Path(version.__file__).parent
    counted = {Path(name).stem for name in version._MAKERS}
    carriers = {
        "sample_files",
        "places",
        "settings",
        "store",
        "brain",
        "packaged",
        "records",
        "base",
        "input",
        "volumes",
    }
    for name in version._MAKERS:
        for node in ast.walk(ast.parse((package / f"{name}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("scantune."):
                parts = (node.module or "").split(".")[1:]
                if parts[0] == "io" or "brain" in parts:
                    continue  # all of it is counted; that of the brain where a block asks for it
                modules = [alias.name for alias in node.names] if parts == ["preprocess"] else [parts[-1]]
                assert set(modules) <= counted | carriers, f"{name} imports {modules}"


def test_a_changed_setting_or_file_never_serves_an_old_tensor(run, pictures, inputs, tmp_path):
    records = pictures(2)
    run(records, inputs["image"](shape=[8, 8]))
    run(records, inputs["image"](shape=[4, 4]))
    path = tmp_path / "out" / "samples" / "x0.safetensors"
    assert store.load(path)["input"].shape == (1, 4, 4)
    state = os.stat(records[0].files[0])
    io.write_png(records[0].files[0], np.full((12, 10), 7, np.uint8) + np.eye(12, 10, dtype=np.uint8))
    os.utime(records[0].files[0], ns=(state.st_atime_ns, state.st_mtime_ns))  # as a careless copy would
    assert run(records, inputs["image"](shape=[4, 4])).newly_prepared == 1
    assert store.load(path)["input"].max() <= 8


def test_the_digests_change_with_a_mask_where_the_manifest_does_not(run, pictures, inputs, tmp_path):
    written = []
    for side in (0, 4):
        mask = np.zeros((12, 10), dtype=np.uint8)
        mask[side : side + 4, :8] = 255
        io.write_png(tmp_path / "mask.png", mask[None])
        records = [replace(record, masks=(tmp_path / "mask.png",)) for record in pictures(2)]
        run(records, inputs["image"](shape=[8, 8]), out=str(side))
        written.append({name: (tmp_path / str(side) / name).read_bytes() for name in ("manifest.csv", "digests.csv")})
    first, second = written
    assert first["manifest.csv"] == second["manifest.csv"]
    assert first["digests.csv"] != second["digests.csv"]
    rows = [line.split(",") for line in second["digests.csv"].decode().split()]
    assert rows == [["sample_id", "digest"]] + [
        [f"x{i}", store.facts(tmp_path / "4" / "samples" / f"x{i}.safetensors")["digest"]] for i in (0, 1)
    ]


def test_a_flipped_bit_in_the_store_is_found_mended_and_told(run, pictures, inputs, tmp_path):
    block = inputs["image"]()
    run(pictures(3), block)
    good = outputs(tmp_path / "out")
    path = tmp_path / "out" / "samples" / "x1.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    with path.open("r+b") as file:  # in place: the store's own copy is the same file
        file.write(data)
    assert store.damaged(tmp_path / "out") == ["x1"]
    told: list[str] = []
    assert run(pictures(3), block, say=told.append).repaired == ("x1",)
    (line,) = [line for line in told if "damaged" in line]
    assert f"{pictures(3)[1].files[0]} (x1)" in line
    assert outputs(tmp_path / "out") == good
    assert store.damaged(tmp_path / "out") == []


def test_processes_give_what_one_process_gives(run, pictures, inputs, tmp_path):
    run(pictures(12), inputs["image"](workers=1))
    summary = preprocess.run(
        pictures(12), inputs["image"](workers=2, backend="processes"), tmp_path / "two", tmp_path / "store2"
    )
    assert summary.newly_prepared == 12
    assert outputs(tmp_path / "two") == outputs(tmp_path / "out")


@pytest.mark.slow
def test_a_dask_cluster_on_this_machine_gives_the_same(run, pictures, inputs, tmp_path):
    distributed = pytest.importorskip("distributed")
    run(pictures(3), inputs["image"]())
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        block = inputs["image"](workers=2, backend={"name": "dask", "address": cluster.scheduler_address})
        assert preprocess.run(pictures(3), block, tmp_path / "dask", tmp_path / "store2").newly_prepared == 3
    assert outputs(tmp_path / "dask") == outputs(tmp_path / "out")


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore")  # of Ray, about its own files and processes
def test_a_ray_cluster_on_this_machine_gives_the_same(run, pictures, inputs, tmp_path):
    ray = pytest.importorskip("ray")
    run(pictures(5), inputs["image"]())
    try:
        block = inputs["image"](workers=2, backend="ray")
        assert preprocess.run(pictures(5), block, tmp_path / "ray", tmp_path / "store2").newly_prepared == 5
    finally:
        ray.shutdown()
    assert outputs(tmp_path / "ray") == outputs(tmp_path / "out")


@pytest.mark.parametrize(("backend", "package"), [("dask", "distributed"), ("ray", "ray")])
def test_a_cluster_without_its_package_is_a_message(run, pictures, inputs, monkeypatch, backend, package):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find(name))
    with pytest.raises(ScantuneError, match=f"backend: '{backend}' needs the package {package}: pip install"):
        run(pictures(1), inputs["image"](backend=backend))


def test_two_runs_at_once_do_no_harm(run, pictures, inputs, tmp_path):
    records, block = pictures(20), inputs["image"]()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: run(records, block, name), ["out", "two"]))
    assert outputs(tmp_path / "out") == outputs(tmp_path / "two")
    assert store.damaged(tmp_path / "out") == []


def test_whatever_a_reader_raises_becomes_a_reason_without_its_text(pictures, inputs, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("Doe John")

    monkeypatch.setattr("scantune.preprocess.sample.prepare", broken)
    record = pictures(1)[0]
    result = process(Job("x", record.files, ()), inputs["image"]().model_dump(mode="json"), tmp_path / "store")
    assert result.reason == "cannot be prepared (RuntimeError)"
    assert "Doe John" in result.detail


def test_a_file_that_keeps_changing_is_left_out(pictures, inputs, tmp_path, monkeypatch):
    record = pictures(1)[0]
    real = preprocess.prepare

    def meddling(*arguments, **masks):
        record.files[0].touch()
        return real(*arguments, **masks)

    monkeypatch.setattr("scantune.preprocess.sample.prepare", meddling)
    result = process(Job("x", record.files, ()), inputs["image"]().model_dump(mode="json"), tmp_path / "store")
    assert "changed while being read" in result.reason
    assert not list((tmp_path / "store").rglob("*.safetensors"))


def test_the_index_spares_reading_and_names_what_changed(run, pictures, inputs, tmp_path, monkeypatch):
    records = pictures(2)
    write_index(tmp_path / "raw", tmp_path / "index.csv")
    io.write_png(records[1].files[0], np.eye(16, dtype=np.uint8))
    index = read_index(tmp_path / "index.csv", tmp_path / "raw")
    read: list[Path] = []
    real = sources.file_digest
    monkeypatch.setattr(sources, "file_digest", lambda path: read.append(path) or real(path))
    summary = run(records, inputs["image"](), index=index)
    assert read == [records[1].files[0]]
    assert summary.changed == (str(records[1].files[0]),)


@pytest.mark.parametrize(("full", "left"), [(5, 3), (6, 2)])  # at the third sample, and at its display copy
def test_a_full_disk_stops_the_run_and_it_goes_on_from_there(run, pictures, inputs, monkeypatch, full, left):
    records, block = pictures(5), inputs["image"]()
    real, calls = store.save, []

    def filling(path, arrays, facts):
        calls.append(path)
        if len(calls) == full:
            raise store.StoreFull(store.no_room(path, 1234))
        return real(path, arrays, facts)

    monkeypatch.setattr(store, "save", filling)
    with pytest.raises(ScantuneError, match=r"needs 1,234 bytes.*3 of 5 samples remain"):
        run(records, block)
    monkeypatch.undo()
    assert run(records, block).newly_prepared == left


def test_what_cannot_be_shown_costs_no_sample(run, pictures, inputs, tmp_path, monkeypatch):
    def broken(*arguments):
        raise ValueError("of a library")

    monkeypatch.setattr(display, "make", broken)
    assert run(pictures(2), inputs["image"]()).prepared == 2
    assert display_copy.read(tmp_path / "out/display/x0.safetensors") is None
    assert "none" in (tmp_path / "out/display.csv").read_text()


def test_each_sample_has_a_display_copy_and_one_that_is_damaged_is_made_again(run, pictures, inputs, tmp_path):
    records, block = pictures(4), inputs["image"]()
    run(records, block)
    folder, table = tmp_path / "out/display", (tmp_path / "out/display.csv").read_text()
    assert {path.stem for path in folder.iterdir()} == {record.sample_id for record in records}
    assert display_copy.read(folder / f"{records[0].sample_id}.safetensors") is not None
    for path in (tmp_path / "store/display").rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    assert run(records, block).newly_prepared == 0
    assert display_copy.read(folder / f"{records[0].sample_id}.safetensors") is not None
    assert (tmp_path / "out/display.csv").read_text() == table
    run(records[1:], block)
    assert {path.stem for path in folder.iterdir()} == {record.sample_id for record in records[1:]}


SCRIPT = """
import sys
from pathlib import Path
from scantune import preprocess
from scantune.config.input import ImageInput
from scantune.records import Record
root = Path(sys.argv[1])
records = [Record(p.stem, p.stem, (p,)) for p in sorted((root / "raw").glob("*.png"))]
preprocess.run(records, ImageInput(dataset="d", modality="image", workers=1), root / sys.argv[2], root / "store")
"""


@pytest.mark.slow
def test_killed_at_any_moment_the_next_run_ends_as_if_nothing_had_happened(run, pictures, inputs, tmp_path):
    pictures(150, (200, 200))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), "out"]
    made = 0
    for wish in (5, 60):  # samples that lie in the store when the axe falls
        child = subprocess.Popen(command, env=environment)
        while child.poll() is None and len(list((tmp_path / "store").rglob("*.safetensors"))) < wish:
            time.sleep(0.002)
        child.send_signal(signal.SIGKILL)
        child.wait()
        whole = [p for p in (tmp_path / "store" / "samples").rglob("*.safetensors") if not p.name.startswith(".")]
        assert len(whole) >= made
        made = len(whole)
        assert all(store.verify(path) for path in whole)
    records = [Record(p.stem, p.stem, (p,)) for p in sorted((tmp_path / "raw").glob("*.png"))]
    run(records, inputs["image"](workers=1))
    after_kills = outputs(tmp_path / "out")
    (tmp_path / "store").rename(tmp_path / "old")
    run(records, inputs["image"](workers=1), out="clean")
    assert after_kills == outputs(tmp_path / "clean")
    assert 0 < made < 150


def test_no_name_date_or_path_reaches_any_output(run, inputs, tmp_path, rng):
    secret = ["DOE^JANE", "19610214", "4711-SECRET", "Bloggs", "General Hospital"]
    tags = {
        "PatientName": "DOE^JANE", "PatientBirthDate": "19610214", "PatientID": "4711-SECRET",
        "ReferringPhysicianName": "Bloggs", "InstitutionName": "General Hospital",
        "SeriesDescription": "chest DOE^JANE", "StudyDate": "19610214",
    }  # fmt: skip
    folder = tmp_path / "raw" / "DOE^JANE_19610214"
    folder.mkdir(parents=True)
    good, cut = folder / "4711-SECRET.dcm", folder / "Bloggs.dcm"
    pixels = rng.integers(0, 4095, (64, 64)).astype(np.uint16)
    for path in (good, cut):
        io.write_dicom_image(path, pixels, patient_id="4711-SECRET", seed="1", bits=12, tags=tags)
    cut.write_bytes(good.read_bytes()[:-500])
    records = [Record("a", "s1", (good,)), Record("b", "s2", (cut,))]
    told: list[str] = []
    run(records, inputs["image"](shape=[32, 32]), max_excluded_fraction=0.5, say=told.append)
    written = b"".join(outputs(tmp_path / "out").values())
    assert b"sample_id" in written
    for word in secret:
        assert word.encode() not in written
        assert word.lower().encode() not in written.lower()
    assert str(tmp_path).encode() not in written
    assert any("Bloggs.dcm" in line for line in told)  # the local terminal may say which file


def test_groups_that_clash_with_the_manifest_s_columns_are_refused(run, pictures, inputs):
    records = [replace(r, groups={"shape": "round"}) for r in pictures(1)]
    with pytest.raises(ScantuneError, match="'shape'"):
        run(records, inputs["image"]())


def test_a_cohort_of_itks_formats_is_that_of_nifti_bit_for_bit(run, volumes, inputs, tmp_path):
    smooth, _ = volumes
    made = {}
    for ending in ("nii.gz", "nrrd", "mhd"):
        records = []
        for i in range(3):
            scan = smooth((9, 10 + i, 12), (1.5, 1.25, 2.5))
            labels = io.Volume((scan.array > np.median(scan.array)).astype(np.uint8), scan.affine)
            paths = [tmp_path / f"{name}{i}.{ending}" for name in ("scan", "mask")]
            for path, volume in zip(paths, (io.Volume(scan.array.astype(np.int16), scan.affine), labels), strict=True):
                io.write_nifti(tmp_path / "one.nii.gz", volume, codes=("LPS", "RAS", "PIL")[i])
                if ending == "nii.gz":
                    (tmp_path / "one.nii.gz").rename(path)
                else:
                    sitk.WriteImage(sitk.ReadImage(str(tmp_path / "one.nii.gz")), str(path), useCompression=i == 1)
            records.append(Record(f"x{i}", f"s{i}", (paths[0],), targets={"label": str(i)}, masks=(paths[1],)))
        run(records, inputs["volume"](spacing=[2, 2, 2], shape=[8, 8, 8], dtype="float16"), ending)
        made[ending] = [store.load(tmp_path / ending / "samples" / f"x{i}.safetensors") for i in range(3)]
    for ending in ("nrrd", "mhd"):
        for expected, arrays in zip(made["nii.gz"], made[ending], strict=True):
            assert arrays.keys() == expected.keys()
            for name, array in arrays.items():
                np.testing.assert_array_equal(array, expected[name], err_msg=f"{ending} {name}")
    mhd = inputs["volume"](spacing=[2, 2, 2], shape=[8, 8, 8], dtype="float16")
    assert run(records, mhd, "mhd").newly_prepared == 0
    raw = tmp_path / "scan0.raw"
    raw.write_bytes(bytes(2) + raw.read_bytes()[2:])  # the header is as it was
    assert run(records, mhd, "mhd").newly_prepared == 1
