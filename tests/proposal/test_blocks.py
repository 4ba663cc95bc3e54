"""Tables and folders as they come, as real public data sets have them, drawn small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from scantune import cohort, io
from scantune.commands.starting import init
from scantune.config.dataset import DatasetConfig
from scantune.config.load import parse
from scantune.proposal import text
from scantune.proposal.blocks import propose


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    groups = "datasets: {}\ninputs: {}\nexperiments: {}\n"
    Path("params.yaml").write_text(f"# mine\nquick: []\ntracking: {{enabled: false}}\n{groups}")
    return tmp_path


def picture(path: str, seed: int, *, shape: tuple[int, ...] = (24, 24)) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    io.write_png(Path(path), np.random.default_rng(seed).integers(0, 255, shape, np.uint8))


def added(*args: object, **kwargs: object):
    init(Path(str(args[0])), kwargs.get("root"), str(kwargs.get("name", "")), "", None, True)  # type: ignore[arg-type]
    params = parse(yaml.safe_load(Path("params.yaml").read_text()))
    for name, dataset in params.datasets.items():
        records = cohort.load(dataset, Path())
        assert all(file.exists() for record in records for file in (*record.files, *record.masks)), name
    return params


def test_padded_numbers_lead_to_images_and_not_to_masks_and_the_tables_name_to_the_folder(home):
    for lab in (1, 2):
        for n in range(1, 41):
            picture(f"raw/wbc/Dataset {lab}/{n:03d}_image.png", n, shape=(24, 24, 3))
            picture(f"raw/wbc/Dataset {lab}/{n:03d}.png", n)
        rows = [f"{n},{1 + n % 2 if n < 40 else 5}" for n in range(1, 41)]
        Path(f"raw/wbc/Class Labels of Dataset {lab}.csv").write_text("\n".join(["image ID,class label", *rows]) + "\n")
    params = added("raw/wbc")
    for lab in (1, 2):
        name = f"Class_Labels_of_Dataset_{lab}"
        dataset = params.datasets[name]
        assert dataset.files == [f"Dataset {lab}/{{image ID:03d}}_image.png"]
        assert params.inputs[name].channels == 3
    assert Path("params.yaml").read_text().startswith("# mine\nquick: []\n")


def test_masks_of_loops_are_no_segmentation(home, capsys):
    """No network segments loops: what init writes would be refused."""
    Path("raw/echo").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for n in range(6):
        io.write_video(f"raw/echo/{n}.avi", rng.integers(0, 255, (4, 32, 32), np.uint8))
        picture(f"raw/echo/{n}_seg.png", n, shape=(32, 32))
    rows = [f"{n}.avi,{n}_seg.png" for n in range(6)]
    Path("raw/echo/t.csv").write_text("\n".join(["file,mask", *rows]) + "\n")
    params = added("raw/echo")
    assert not params.experiments
    (dataset,) = params.datasets.values()
    assert dataset.masks
    assert "segmentation is of images and volumes" in capsys.readouterr().out


@pytest.mark.parametrize(
    "drawn", [("masks/P{}_3.png", "masks/P{}_8.png"), ("manual/P{}_manual.png", "mask/P{}_mask.png")]
)
def test_several_masks_of_a_loop_are_told_and_not_used(home, drawn):
    """Of two frames, or a field of view: settings of images, which are refused for loops."""
    rng = np.random.default_rng(0)
    for n in range(8):
        Path("raw/loops").mkdir(parents=True, exist_ok=True)
        io.write_video(f"raw/loops/P{n}.avi", rng.integers(0, 255, (12, 32, 32), np.uint8))
        for name in drawn:
            path = Path("raw", name.format(n))
            path.parent.mkdir(exist_ok=True)
            io.write_png(path, np.where(rng.random((32, 32)) > 0.5, 255, 0).astype(np.uint8))
    proposed = propose(Path("raw"))
    (dataset,) = proposed.blocks["datasets"].values()
    assert {"masks", "region", "rater_masks"} & set(dataset) == set()
    assert proposed.blocks.get("experiments", {}) == {}
    assert any("masks are of loops, several of each, which are not used" in note for note in proposed.notes)


def test_of_loops_few_frames_are_taken_and_few_steps(home):
    Path("raw/echo").mkdir(parents=True)
    for n in range(24):
        io.write_video(f"raw/echo/{n}.avi", np.random.default_rng(n).integers(0, 255, (48, 32, 32), np.uint8))
    rows = [f"{n}.avi,{'good' if n % 2 else 'bad'},{n}" for n in range(24)]
    Path("raw/echo/t.csv").write_text("\n".join(["file,quality,patient", *rows]) + "\n")
    params = added("raw/echo")
    (input_,), (block,) = params.inputs.values(), params.experiments.values()
    assert (input_.modality, input_.frames, input_.period) == ("video", 8, 3)
    assert block.train.epochs * (16 // block.train.batch_size) <= 250


def test_loops_in_colour_that_start_with_a_black_frame_are_in_colour(home):
    Path("raw/endoscopy").mkdir(parents=True)
    for n in range(24):
        frames = np.random.default_rng(n).integers(0, 60, (8, 32, 32, 3), np.uint8) + np.uint8([150, 60, 20])
        frames[0] = 0
        io.write_video(f"raw/endoscopy/{n}.avi", frames)
    rows = [f"{n}.avi,{'good' if n % 2 else 'bad'},{n}" for n in range(24)]
    Path("raw/endoscopy/t.csv").write_text("\n".join(["file,quality,patient", *rows]) + "\n")
    (input_,) = added("raw/endoscopy").inputs.values()
    assert input_.channels == 3


def test_a_class_of_few_subjects_is_excluded_and_said(home):
    for n in range(80):
        picture(f"raw/a/{n}.png", n)
    rows = [f"{n}.png,{'rare' if n < 2 else 'yes' if n % 2 else 'no'}" for n in range(80)]
    Path("raw/a/t.csv").write_text("\n".join(["file,label", *rows]) + "\n")
    proposal = propose(Path("raw/a/t.csv"))
    assert proposal.blocks["datasets"]["t"]["where"] == {"label": {"exclude": ["rare"]}}
    assert "too few" in proposal.reasons["datasets", "t"]["where"]


def test_a_file_that_is_there_twice_is_left_out(home):
    for n in range(40):
        picture(f"raw/a/{n}.png", n if n != 30 else 4)
    rows = [f"{n}.png,{'yes' if n % 2 else 'no'},{n}" for n in range(40)]
    Path("raw/a/t.csv").write_text("\n".join(["file,label,patient", *rows]) + "\n")
    params = added("raw/a/t.csv")
    records = cohort.load(params.datasets["t"], Path())
    assert {record.files[0].stem for record in records} == {str(n) for n in range(40)} - {"30"}


def test_two_films_of_one_subject_may_be_the_same(home):
    for n in range(40):
        picture(f"raw/a/{n}.png", n if n != 30 else 31)
    rows = [f"{n}.png,{'yes' if n // 2 % 2 else 'no'},{n // 2}" for n in range(40)]
    Path("raw/a/t.csv").write_text("\n".join(["file,label,patient", *rows]) + "\n")
    assert len(cohort.load(added("raw/a/t.csv").datasets["t"], Path())) == 40


def test_files_are_found_by_bare_names_and_rows_without_one_are_left_out(home):
    for n in range(30):
        picture(f"raw/us/{'convex' if n % 2 else 'linear'}/Loop-{n}.png", n)
    rows = [f"old/place,Loop-{n},{'sick' if n % 3 else 'well'},{n // 2 or ''},x" for n in range(40)]
    header = "Current location,Filename,Label,Patient ID / Name,"
    Path("raw/us/meta.csv").write_text("\n".join(["Our study of 2020,,,,", header, *rows]) + "\n")
    params = added("raw/us/meta.csv")
    dataset = params.datasets["meta"]
    records = cohort.load(dataset, Path())
    assert len(records) == 30
    assert dataset.subject == "Patient ID / Name"
    assert len({record.subject_id for record in records}) == 16  # the rows without a subject are two of their own
    assert params.watched["meta_table"].path == "data/tables/meta.csv"


def test_images_and_masks_in_folders_with_an_official_split(home):
    for side, numbers in (("training", range(21, 33)), ("testing", range(1, 7))):
        for n in numbers:
            picture(f"raw/eye/{side}/images/{n:02d}_{side}.png", n, shape=(24, 24, 3))
            Path(f"raw/eye/{side}/mask").mkdir(parents=True, exist_ok=True)
            io.write_png(Path(f"raw/eye/{side}/mask/{n:02d}_{side}_mask.png"), np.full((24, 24), 255, np.uint8))
            for reader in ("1st", "2nd") if side == "testing" else ("1st",):
                drawn = 255 * (np.random.default_rng(n).random((24, 24)) > 0.5).astype(np.uint8)
                Path(f"raw/eye/{side}/{reader}_manual").mkdir(parents=True, exist_ok=True)
                io.write_png(Path(f"raw/eye/{side}/{reader}_manual/{n:02d}_manual{reader[0]}.png"), drawn)
    params = added("raw/eye")
    records = cohort.load(params.datasets["eye"], Path())
    assert {len([r for r in records if r.split == side]) for side in ("train", "test")} == {12, 6}
    assert all("1st_manual" in str(record.masks[0]) for record in records)
    assert all(record.region and "mask" in record.region.name for record in records)
    second = {side: [r.rater_masks["2nd_manual"] for r in records if r.split == side] for side in ("train", "test")}
    assert all("2nd_manual" in str(masks[0]) for masks in second["test"])
    assert not any(second["train"])
    assert params.experiments["eye"].task.classes == ("background", "foreground")


def test_volumes_with_labels_of_another_folder_have_their_median_grid(home):
    for folder in ("images", "labels"):
        Path("raw/hip", folder).mkdir(parents=True)
    for n in range(6):
        values = np.random.default_rng(n).random((20 + n, 30, 24), np.float32)
        affine = np.diag([1.0, 1.0, 2.0, 1.0])
        io.write_nifti(Path(f"raw/hip/images/h_{n}.nii.gz"), io.Volume(values, affine))
        if n:
            io.write_nifti(Path(f"raw/hip/labels/h_{n}.nii.gz"), io.Volume(np.floor(values * 3).astype("f4"), affine))
    proposal = propose(Path("raw/hip"))
    assert proposal.blocks["inputs"]["hip"]["spacing"] == [1.0, 1.0, 2.0]
    assert proposal.blocks["experiments"]["hip"]["task"]["classes"] == ["background", "label_1", "label_2"]
    assert any("1 image" in note and "h_0" in note for note in proposal.notes)


def test_findings_joined_in_a_cell_and_columns_that_give_them_away(home):
    rows = []
    for n in range(90):
        picture(f"raw/cxr/images/{n:05d}.png", n)
        words = "No Finding" if n % 2 else "Pneumonia|Mass" if n % 4 else "Pneumonia"
        rows.append(
            f"{n:05d}.png,{words},{n // 2},{40 + n % 9},{'PA' if n % 3 else 'AP'},{'none' if n % 2 else 'sick'}"
        )
    header = "Image Index,Finding Labels,Patient ID,Patient Age,View Position,folder"
    Path("raw/cxr/Data.csv").write_text("\n".join([header, *rows]) + "\n")
    params = added("raw/cxr/Data.csv")
    assert params.experiments["Data"].task.name == "multilabel"
    dataset = params.datasets["Data"]
    assert dataset.groups == {"age": "Patient Age", "view": "View Position"}
    assert dataset.subject == "Patient ID"


def test_images_without_labels_have_no_experiment_and_init_says_so(home):
    for n in range(5):
        picture(f"raw/bare/{n}.png", n)
    params = added("raw/bare")
    assert "bare" in params.inputs
    assert not params.experiments
    assert any("no labels" in note for note in propose(Path("raw/bare")).notes)


def test_a_group_on_one_line_is_not_extended():
    with pytest.raises(Exception, match="line 1: datasets is written on one line"):
        text.inserted("datasets: {a: {root: x}}\n", {"datasets": ["  b:"]}, [])
    grown = text.inserted(
        "datasets:\n    a: 1   # one\n\n# of inputs\ninputs: {}\n", {"datasets": ["  b:", "    c: 1"]}, []
    )
    assert grown == "datasets:\n    a: 1   # one\n    b:\n      c: 1\n\n# of inputs\ninputs: {}\n"


@pytest.mark.parametrize("absolute", [False, True])
def test_a_table_of_the_project_is_found_after_the_project_was_moved(home, monkeypatch, absolute):
    for n in range(30):
        picture(f"raw/a/{n}.png", n)
    rows = [f"{n}.png,{'yes' if n % 2 else 'no'},{n}" for n in range(30)]
    Path("one/tables").mkdir(parents=True)
    Path("one/tables/t.csv").write_text("\n".join(["file,label,patient", *rows]) + "\n")
    root = Path("raw").resolve() if absolute else Path("../raw")
    monkeypatch.chdir("one")
    proposed = propose(Path("tables/t.csv"), root)
    assert proposed.blocks["datasets"]["t"]["table"] == "tables/t.csv"
    assert proposed.blocks["watched"]["t_table"]["path"] == "tables/t.csv"
    Path("../one").rename("../two")
    monkeypatch.chdir("../two")
    dataset = DatasetConfig.model_validate(proposed.blocks["datasets"]["t"])
    assert len(cohort.load(dataset, Path())) == 30
    other = Path("../raw/tables/t.csv")
    other.parent.mkdir()
    other.write_text("file\n")  # the root's own table of that path goes before
    proposed = propose(Path("tables/t.csv"), root)
    assert proposed.blocks["datasets"]["t"]["table"] == str(Path("tables/t.csv").resolve())
