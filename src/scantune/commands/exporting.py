"""``scantune export``: the project to give away, without names of files and without anything of a single subject."""

from __future__ import annotations

import copy
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Annotated, Any

import typer

from scantune.amounts import number_of
from scantune.files import write
from scantune.records import ScantuneError

#: Code and its settings: what a clone of the project has.
CODE = (
    *("src", "stages", "plugins", "docs", "examples", "dvc.yaml", "MLproject", "python_env.yaml", "pyproject.toml"),
    *("requirements.txt", "Makefile", "README.md", "CHANGELOG.md", ".dvcignore", ".gitignore", ".dvc/config"),
)
#: Of the outputs: models, metrics, figures over all subjects. Predictions, reports, saliency maps, error sheets and
#: checkpoints are of single subjects, or hold what only a training needs.
RESULTS = (
    *("outputs/*/train/model/**/*", "outputs/*/train/summary.json", "outputs/*/train/history.csv"),
    *("outputs/*/evaluate/metrics.json", "outputs/*/evaluate/summary.json", "outputs/*/register/registration.json"),
    *("outputs/external/*/metrics.json", "outputs/external/*/summary.json"),
    *("ensembles/*/train/model/**/*", "ensembles/*/train/summary.json"),
    *(
        "ensembles/*/evaluate/metrics.json",
        "ensembles/*/evaluate/summary.json",
        "ensembles/*/register/registration.json",
    ),
)


#: Keys of a dataset with templates of paths.
_TEMPLATES = ("files", "masks", "region", "rater_masks")


def export(
    out: Annotated[Path, typer.Argument(help="the archive to write, such as project.zip")],
) -> None:
    """Write code, settings, metrics and models to an archive, to be given away.

    No index, no predictions, no reports, no dvc.lock; the settings name data/raw/<dataset> in place of your folders.
    """
    from scantune.config.load import load, read

    load()
    if out.suffix != ".zip":
        raise ScantuneError(f"{out}: name an archive that ends with .zip")
    files = sorted({path for path in _files() if path.resolve() != out.resolve()})
    counted: list[int] = []

    def put(target: Any) -> None:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
            for path in files:
                if path.name == "model.json":
                    archive.writestr(path.as_posix(), _model(path))
                else:
                    archive.write(path, path.as_posix())
            archive.writestr("params.yaml", _settings(read()))
            counted.append(len(archive.namelist()))

    write(out, put)
    typer.echo(f"{out}: {number_of(counted[0], 'file')}; no names of data files, no predictions")


def _files() -> Iterator[Path]:
    for name in CODE:
        path = Path(name)
        paths = path.rglob("*") if path.is_dir() else [path]
        yield from (file for file in paths if file.is_file() and "__pycache__" not in file.parts)
    for pattern in RESULTS:
        yield from (file for file in Path().glob(pattern) if file.is_file())


def _settings(content: dict[str, Any]) -> str:
    """params.yaml with places of data replaced; comments are left out."""
    import yaml

    settings = copy.deepcopy(content)
    for name, block in (settings.get("datasets") or {}).items():
        place = f"data/raw/{name}"
        block |= {key: place for key in ("root", "watch") if key in block}
        if block.get("table"):
            block["table"] = f"table{Path(str(block['table'])).suffix}"
        block.pop("index", None)
        block |= {key: _below_root(block[key], key) for key in _TEMPLATES if key in block}
    for name, block in (settings.get("watched") or {}).items():
        block["path"] = f"data/raw/{block['dataset']}/{name}"
    for group in ("experiments", "derived"):
        for block in (settings.get(group) or {}).values():
            block["model"] = _without_places(block["model"])
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)


def _below_root(value: Any, key: str) -> Any:
    """Templates of paths, in lists and by readers' names too, in which no folder outside the root is named: of
    ``/home/me/knees/{id}.png`` there is ``masks/{id}.png``."""
    if isinstance(value, dict):
        return {name: _below_root(inner, key) for name, inner in value.items()}
    if isinstance(value, list):
        return [_below_root(inner, key) for inner in value]
    if not isinstance(value, str):
        return value
    parts = PureWindowsPath(value).parts  # both kinds of slashes
    if not parts or not (PureWindowsPath(value).anchor or ".." in parts):
        return value
    first = next((place for place, part in enumerate(parts) if "{" in part), len(parts) - 1)
    return "/".join([key, *parts[first:]])


def _without_places(block: dict[str, Any]) -> dict[str, Any]:
    """A ``model:`` block in which files of weights are named by no path."""
    weights = block.get("weights")
    named = {"weights": "weights_file.safetensors"} if isinstance(weights, str) and _is_path(weights) else {}
    return {key: value for key, value in block.items() if key != "weights_folder"} | named


def _model(path: Path) -> str:
    """``model.json`` in which the starting weights are named by no path, with the digest that it has then."""
    from scantune.registry.model import digest_of

    facts = json.loads(path.read_text(encoding="utf-8"))
    source = facts.get("weights", {}).get("source")
    if isinstance(source, str) and _is_path(source):
        facts["weights"] |= {"source": "a file", "licence": "unknown"}
        facts["weights"].pop("matched", None)
    layout = facts.get("table") or {}
    layout |= {key: _below_root(layout[key], key) for key in _TEMPLATES if key in layout}
    facts.pop("digest", None)
    return json.dumps({**facts, "digest": digest_of(facts)}, indent=2, sort_keys=True) + "\n"


def _is_path(text: str) -> bool:
    return "/" in text or "\\" in text or bool(Path(text).suffix)
