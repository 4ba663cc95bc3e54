"""``scantune run`` and what it makes of changed settings, up to DVC's start."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from scantune.cli import app
from scantune.commands import project, running, variants
from scantune.config.edit import Change
from scantune.config.load import ConfigError
from scantune.records import ScantuneError
from tests.stages.conftest import ROOT, digits_params, grouped_params

AUTHOR = ("-c", "user.name=a", "-c", "user.email=a@b")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCANTUNE_MLFLOW", "off")
    text = "# mine\n" + yaml.safe_dump(digits_params(), sort_keys=False)
    Path("params.yaml").write_text(text)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    return tmp_path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """What DVC would be started with, and in which folder."""
    seen: list[tuple] = []
    monkeypatch.setattr(project, "run_dvc", lambda arguments, cwd=None: seen.append((list(arguments), cwd)) or 0)
    return seen


def in_git(home: Path) -> None:
    """A repository of git and of DVC, with a commit of all that is there."""
    (home / ".dvc").mkdir()
    shutil.copy2(ROOT / ".gitignore", home)
    variants._git(home, "init", "-q")
    commit_all(home)


def commit_all(home: Path) -> None:
    variants._git(home, "add", "-A")
    variants._git(home, *AUTHOR, "commit", "-qm", "s")


def call(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["run", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--experiment", "small", "--epochs", "many"), "experiments.small.train.epochs: .*'many'"),
        (("--experiment", "small", "--learning-rate", "-1"), "experiments.small.train.learning_rate: .*-1"),
        (("--set", "experiments.small.train.epoch=3"), "unknown key; did you mean 'epochs'"),
        (("--set", "experiments.smal.train.epochs=3"), "there is no experiments.smal; there are small, other"),
        (("--set", "epochs"), "write key.path=value"),
        (("--set", "train.epochs=3"), "of which experiment[?] Write experiments.small.train.epochs="),
        (("--experiment", "small", "--loss", "cross_entrpy"), "small.train.loss: .*did you mean cross_entropy"),
        (("--experiment", "small", "--backbone", "resnt18"), "small.model.backbone: .*did you mean resnet18"),
        (("--experiment", "small", "--weights", "imagenett"), "small.model.weights: .*did you mean 'imagenet'"),
        (("--experiment", "small", "--scheduler", "cosin"), "small.train.scheduler: .*did you mean 'cosine'"),
        (("--set", "demo.digits.cohort=digit"), "demo.digits.cohort: .*did you mean 'digits'"),
        (("--set", "experiments.small.train.augment.rotaton=3"), "rotaton: unknown key; .*did you mean 'rotation'"),
        (("--experiment", "smal"), "'smal' is not in .* of params.yaml; did you mean 'small'[?] There are: small"),
        (("--stage", "training", "--key", "small"), "--stage 'training': no such stage; there are demo"),
        (("--stage", "train", "--key", "digits"), "--key 'digits': no experiments or derived of that name"),
        (("--stage", "train"), "--stage and --key go together"),
        (("--all", "--epochs", "3"), "--epochs: name the experiment"),
        (("register@small", "--experiment", "other"), "^register@small and --experiment other: .*name one of them"),
        (("train@small", "--all"), "^train@small and --all: .*name one of them"),
        (("--experiment", "small", "--all"), "^--experiment small and --all: "),
        (
            ("--experiment", "small", "--experiment", "other"),
            "^--experiment is stated 2 times .*: scantune run register",
        ),
        (
            ("--experiment", "small", "--epochs", "3", "--epochs", "4"),
            "^--epochs is stated 2 times and takes one value",
        ),
        (
            ("--experiment", "small", "--epochs", "3", "--set", "experiments.small.train.epochs=4"),
            "^experiments.small.train.epochs is stated twice, as 3 and 4",
        ),
        (("--set", "experiments.small.train.epoch=3", "--set", "experiments.small.train.seed=3"), "mean 'epochs'"),
        (("--experiment", "small", "--stage", "train", "--key", "other"), "small and --stage train --key other: "),
    ],
)
@pytest.mark.parametrize("keep", [(), ("--keep",)])
def test_wrong_value_is_told_before_anything_is_written_or_started(home, started, arguments, message, keep) -> None:
    before = (home / "params.yaml").read_bytes()
    with pytest.raises(ScantuneError, match=message):
        call(*arguments, *keep)
    assert (home / "params.yaml").read_bytes() == before
    assert started == []
    assert not (home / ".dvc").exists()


def test_values_that_contradict_each_other_are_told_too(home, started) -> None:
    with pytest.raises(
        ConfigError, match=r"params\.yaml with experiments\.small\.train\.device, .* changed has 1 fault"
    ):
        call("--set", "experiments.small.train.device=cpu experiments.small.train.precision=fp16", "--keep")
    assert started == []


def test_kept_values_are_written_and_nothing_else_changes(home, started) -> None:
    before = (home / "params.yaml").read_text().splitlines()
    call("--experiment", "small", "--epochs", "3", "--learning-rate", "5e-4", "--keep")
    after = (home / "params.yaml").read_text().splitlines()
    changed = [new.strip() for old, new in zip(before, after, strict=True) if old != new]
    assert changed == ["epochs: 3", "learning_rate: 5e-4"]
    assert started == [(["repro", "register@small"], None)]


@pytest.mark.parametrize(
    "arguments, targets",
    [
        ((), ["register@small"]),
        (("--all",), []),
        (("--experiment", "other"), ["register@other"]),
        (("--stage", "train", "--key", "other"), ["train@other"]),
        (("--stage", "preprocess", "--key", "digits"), ["preprocess@digits"]),
        (("train@small", "split@digits"), ["train@small", "split@digits"]),
    ],
)
def test_targets(home, started, arguments, targets) -> None:
    call(*arguments)
    assert started == [(["repro", *targets], None)]


def test_any_block_that_is_evaluated_can_be_named(home, started) -> None:
    params = grouped_params()
    params["external"]["twice"] = params["external"]["small_far"]
    params["derived"]["twice"] = params["derived"]["tuned"]
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    for name in ("both", "small_far", "tuned"):
        call("--experiment", name)
    stages = ["register-ensemble@both", "external@small_far", "register-derived@tuned"]
    assert [arguments[1] for arguments, _ in started] == stages
    call("register@both", "external@small_far", "register@tuned", "register-derived@tuned")
    assert started[-1][0] == ["repro", *stages, stages[-1]]
    with pytest.raises(ScantuneError, match=r"external@tuned: no external or external_ensembles of that name; there"):
        call("external@tuned")
    with pytest.raises(ScantuneError, match="name the target: register-derived@twice or external@twice"):
        call("--experiment", "twice")


def test_settings_of_the_quick_default_are_those_of_its_experiments(home, started, monkeypatch) -> None:
    seen: list = []
    monkeypatch.setattr(running, "execute", lambda targets, changes, keep: seen.append((targets, changes)) or 0)
    call("--learning-rate", "0.1", "--set", "inputs.digits.workers=2 'experiments.small.description=two words'")
    ((targets, changes),) = seen
    assert targets == ["register@small"]
    assert [change.key for change in changes] == [
        "experiments.small.train.learning_rate",
        "inputs.digits.workers",
        "experiments.small.description",
    ]
    assert changes[-1].value == "two words"


def test_variant_runs_in_a_copy_of_what_stands_in_the_folder(home, started, monkeypatch) -> None:
    (home / ".dvc").mkdir()
    (home / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    shutil.copy2(ROOT / ".gitignore", home)
    (home / "gone.txt").write_text("a")
    for command in (("init", "-q"), ("add", "-A"), ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "s")):
        variants._git(home, *command)
    (home / "gone.txt").unlink()
    (home / "dvc.yaml").write_text("stages: {}  # changed\n")
    (home / "new.txt").write_text("new")
    (home / "data" / "raw").mkdir(parents=True)
    (home / "data" / "raw" / "scan.txt").write_text("raw")
    params = digits_params()
    params["datasets"]["digits"] |= {"root": "data/raw", "watch": "data/raw"}
    (home / "params.yaml").write_text(yaml.safe_dump(params))
    before = (home / "params.yaml").read_bytes()
    looked: list[dict] = []

    def look(arguments: list[str], cwd: Path | None = None) -> int:
        assert cwd is not None
        assert cwd.is_relative_to(home / ".dvc" / "tmp")
        assert (home / "params.yaml").read_bytes() == before
        epochs = yaml.safe_load((cwd / "params.yaml").read_text())["experiments"]["small"]["train"]["epochs"]
        looked.append({"arguments": arguments, "epochs": epochs, "cwd": cwd})
        assert (cwd / "dvc.yaml").read_text() == "stages: {}  # changed\n"
        assert (cwd / "new.txt").read_text() == "new"
        assert not (cwd / "gone.txt").exists()
        assert (cwd / "data" / "raw" / "scan.txt").read_text() == "raw"
        assert f"dir = {home / '.dvc' / 'cache'}" in (cwd / ".dvc" / "config.local").read_text()
        return 1

    monkeypatch.setattr(project, "run_dvc", look)
    call("--experiment", "small", "--epochs", "7")
    (seen,) = looked
    assert seen["epochs"] == 7
    assert seen["arguments"] == [
        "exp",
        "run",
        "--name",
        "small-epochs=7",
        "--message",
        "small · epochs=7",
        "register@small",
    ]
    assert not seen["cwd"].exists()
    assert (home / "params.yaml").read_bytes() == before
    assert (home / "data" / "raw" / "scan.txt").exists()


def test_settings_stated_in_several_options_are_all_written(home, started) -> None:
    call("--set", "experiments.small.train.epochs=3", "--set", "experiments.other.train.epochs=4", "--keep")
    written = yaml.safe_load((home / "params.yaml").read_text())["experiments"]
    assert [written[name]["train"]["epochs"] for name in ("small", "other")] == [3, 4]


def test_variant_without_git_says_what_to_do(home, started, monkeypatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(home.parent))
    with pytest.raises(ScantuneError, match=r"needs a git commit.*--keep"):
        call("--experiment", "small", "--epochs", "7")


@pytest.mark.parametrize(
    "setting, name",
    [
        ("experiments.a.train.loss={name: focal, gamma: 2}", "a-loss=-name-focal-gamma-2"),
        ("inputs.b.workers=2", "a-inputs.b.workers=2"),
        ("experiments.a.train.learning_rate=1e-4", "a-learning_rate=1e-4"),
        ("experiments.a.description=../../x.lock", "a-description=-x"),
    ],
)
def test_name_of_a_variant_is_one_that_git_takes(setting: str, name: str) -> None:
    assert variants.name_of([Change.read(setting)], "a") == name
    long = variants.name_of([Change.read(f"experiments.a.description={'x' * 300}")], "a")
    assert len(long) < 90


def test_a_variant_finds_data_beside_the_project(home, started, monkeypatch) -> None:
    beside, above = home.parent / f"{home.name}-scans", home.parent.parent / f"{home.name}-tables"
    for folder in (beside, above):
        folder.mkdir()
        (folder / "one.txt").write_text(folder.name)
    params = digits_params()
    params["datasets"]["digits"] |= {"root": f"../{beside.name}", "watch": f"../{beside.name}"}
    table = params["datasets"]["digits"]["table"] = f"../../{above.name}/one.txt"
    params["watched"] = {"digits_table": {"dataset": "digits", "path": table}}
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    in_git(home)
    seen = []

    def look(arguments, cwd=None) -> int:
        seen.extend(
            (cwd / up / folder.name / "one.txt").read_text() for up, folder in (("..", beside), ("../..", above))
        )
        return 1

    monkeypatch.setattr(project, "run_dvc", look)
    try:
        call("--experiment", "small", "--epochs", "7")
        assert seen == [beside.name, above.name]
        assert [path.name for path in (home / ".dvc/tmp/variants").iterdir()] == []
        assert (beside / "one.txt").is_file(), "the links are removed, not what they lead to"
    finally:
        for folder in (beside, above):
            shutil.rmtree(folder)


def test_a_variant_never_takes_the_place_of_one_with_other_settings(home, started, monkeypatch) -> None:
    in_git(home)
    names = []

    def finish(arguments, cwd=None) -> int:
        names.append(arguments[arguments.index("--name") + 1])
        commit_all(cwd)
        commit = variants._git(cwd, "rev-parse", "HEAD").strip()
        variants._git(cwd, "update-ref", f"refs/exps/aa/{'b' * 38}/{names[-1]}", commit)
        return 0

    monkeypatch.setattr(project, "run_dvc", finish)
    key = "experiments.small.train.augment.translation"
    for value in ("[-0.1, 0.1]", "[0.1, 0.1]", "[-0.1, 0.1]"):
        call("--experiment", "small", "--set", f"{key}={value}")
    assert names[0] == names[2], "the same settings are the same variant"
    assert names[0] != names[1]
    references = variants._git(home, "for-each-ref", "--format=%(refname)", "refs/exps").split()
    settings = [yaml.safe_load(variants._git(home, "show", f"{one}:params.yaml")) for one in references]
    values = [block["experiments"]["small"]["train"]["augment"]["translation"] for block in settings]
    assert sorted(values) == [[-0.1, 0.1], [0.1, 0.1]]
    empty = variants._git(home, "hash-object", "-t", "tree", "-w", "/dev/null").strip()
    commit = variants._git(home, *AUTHOR, "commit-tree", "-m", "s", empty).strip()
    variants._git(home, "update-ref", f"refs/exps/aa/{'c' * 38}/small-epochs=7", commit)
    call("--experiment", "small", "--epochs", "7")
    assert names[-1].startswith("small-epochs=7-"), "one of which nothing is known is another one"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--lr", "0.1"), r"--lr: no option; write --learning-rate \(mlflow run: -P learning_rate=…\)"),
        (("--learning_rate", "0.1"), "--learning_rate: no option; write --learning-rate "),
        (("--weight_decay", "0.1"), r'write --set "experiments.<name>.train.weight_decay=…" \(mlflow run: -P settings'),
        (("--dropout_rate", "0.1"), 'write --set "experiments.<name>.model.dropout=…"'),
    ],
)
def test_an_option_that_is_a_setting_is_answered_with_its_place(home, started, arguments, message) -> None:
    with pytest.raises(ScantuneError, match=message):
        call(*arguments)
    assert "No such option: --nothing" in call("--nothing")
    assert started == []


def test_a_value_of_several_settings_may_have_spaces(home, started, monkeypatch) -> None:
    call(
        "--keep",
        "--set",
        'inputs.digits.shape=[8, 8] experiments.small.description="two words" inputs.digits.workers=2',
    )
    params = yaml.safe_load(Path("params.yaml").read_text())
    assert params["inputs"]["digits"] | {"shape": [8, 8], "workers": 2} == params["inputs"]["digits"]
    assert params["experiments"]["small"]["description"] == "two words"
    with pytest.raises(ScantuneError, match="a quotation mark is not closed"):
        call("--set", 'experiments.small.description="two words')


def test_an_ensemble_or_external_evaluation_is_not_trained(home, started) -> None:
    Path("params.yaml").write_text(yaml.safe_dump(grouped_params(), sort_keys=False))
    with pytest.raises(ScantuneError, match=r"both is an ensemble, which trains nothing; .* --experiment small or "):
        call("--experiment", "both", "--learning-rate", "0.1")
    with pytest.raises(ScantuneError, match=r"small_far evaluates the model of small; .* --experiment small"):
        call("--stage", "external", "--key", "small_far", "--epochs", "3")


def test_a_block_without_a_value_is_told_in_plain_words(home, started) -> None:
    with pytest.raises(
        ConfigError, match=r"experiments\.small\.evaluate: null is no block; write \{\} for its defaults"
    ):
        call("--set", "experiments.small.evaluate=null")
    with pytest.raises(ConfigError, match=r"experiments\.small\.evaluate: a block of keys is needed; got 'yes'"):
        call("--set", "experiments.small.evaluate=yes")


def test_the_run_of_mlflow_run_says_why_it_was_refused(home, started, tmp_path, monkeypatch) -> None:
    from scantune.tracking import client

    monkeypatch.delenv("SCANTUNE_MLFLOW")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.setenv("SCANTUNE_PARENT_RUN_ID", "")  # given back by monkeypatch
    opened = client().create_run("0", run_name="able-pig-228").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", opened)
    with pytest.raises(ScantuneError):
        call("--experiment", "smal")
    run = client().get_run(opened)
    assert run.info.run_name == "refused"
    assert run.data.tags["mlflow.note.content"].startswith("'smal' is not in experiments")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("experiments.small.train.epochs=2",), r"a setting is typed as --set 'experiments\.small\.train\.epochs=2'"),
        (("--experiment", "small", "experiments.small.train.epochs=2"), r"a setting is typed as --set 'experiments"),
        (("small",), r"small: is no target of DVC; all its stages are run by --experiment small"),
    ],
)
def test_a_setting_or_a_name_is_no_target(home, started, arguments, message) -> None:
    with pytest.raises(ScantuneError, match=message):
        call(*arguments)
    assert started == []


def test_a_user_without_a_name_has_one_for_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.delenv("USER", raising=False)
    monkeypatch.setattr(project.getpass, "getuser", nameless)
    assert project.environment()["USER"].startswith("user-")
