"""What the pages tell to type: commands have their options, links lead somewhere, blocks of params.yaml are valid."""

from __future__ import annotations

import copy
import re
import shlex
import textwrap
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from scantune.cli import app
from scantune.config.load import parse
from scantune.config.reading import ConfigError, read_text

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "plugins/README.md", ROOT / "data/README.md"]
#: Pages whose blocks name code of a plugin; other tests run them.
PLUGINS = ("docs/extending.md", "plugins/README.md")
GROUPS = set(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))) | {"watched", "map_checks"}
BLOCKS = ("task", "model", "train", "evaluate", "register")
DATASET = {"root": "data/raw/d", "watch": "data/raw/d", "table": "t.csv", "files": "{f}"}
#: Faults of a part of a block: what it refers to stands elsewhere.
ELSEWHERE = re.compile(
    r"there is no '.*' in |is read, but not watched|neither subject_id nor one of .*groups|has no 'patch'"
)


def fenced(page: Path, language: str) -> list[str]:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [text for written, text in blocks if written == language]


def commands(page: Path) -> list[str]:
    """Every ``scantune …`` and ``mlflow run …``: lines of blocks without a language, and words of the text."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in fenced(page, "") for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    parts = [part.strip() for line in lines for part in re.split(r" && |; ", line.replace("\n", " "))]
    return [part for part in parts if re.match(r"(scantune|mlflow run) ", part)]


def unknown_words(command: str) -> list[str]:
    """Subcommands and options of a command line of ours that do not exist."""
    words = shlex.split(command, comments=True)[1:]
    found: Any = typer.main.get_command(app)
    while words and hasattr(found, "commands") and not words[0].startswith("-"):
        found, word = found.commands.get(words[0]), words.pop(0)
        if found is None:
            return [word]
    known = {name for one in found.params for name in (*one.opts, *one.secondary_opts)} | {"--help", "--version"}
    return [word for word in words if re.match("--[a-z]", word) and word.split("=")[0] not in known]


def unknown_parameters(command: str) -> list[str]:
    """Entry points and parameters of an ``mlflow run`` that MLproject lacks."""
    words = shlex.split(command, comments=True)
    entries = read_text((ROOT / "MLproject").read_text(encoding="utf-8"), "MLproject")["entry_points"]
    entry = words[words.index("-e") + 1] if "-e" in words else "main"
    if entry not in entries:
        return [entry]
    named = [words[at + 1].split("=")[0] for at, word in enumerate(words) if word == "-P"]
    return [name for name in named if name not in entries[entry].get("parameters", {})]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_has_the_options_that_a_page_gives_it(page: Path):
    unknown = {}
    for command in commands(page):
        of = unknown_words if command.startswith("scantune") else unknown_parameters
        if wrong := of(command):
            unknown[command] = wrong
    assert not unknown


def headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("https://"):
            continue
        name, _, heading = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), target
        assert not heading or heading in headings(linked), target


def whole(part: dict[str, Any]) -> dict[str, Any]:
    """A file of settings with a part of one in its place: groups, blocks of an experiment, or keys of a data set."""
    params: dict[str, Any] = {"datasets": {"d": dict(DATASET)}, "inputs": {}, "experiments": {}}
    if set(part) <= GROUPS:
        params |= copy.deepcopy(part)
    elif set(part) <= set(BLOCKS):
        params["experiments"]["d"] = copy.deepcopy(part)
    else:
        params["datasets"]["d"] |= copy.deepcopy(part)
    for name in params["experiments"]:
        dataset = params["inputs"].get(name, {}).get("dataset", "d")
        params["experiments"][name] = block = {"dataset": dataset, "input": name} | (params["experiments"][name] or {})
        block.update({key: {} for key in BLOCKS if block.get(key) is None})
        if not block["train"].get("preset"):
            block["model"].setdefault("backbone", "unet" if "patch" in str(params["inputs"]) else "small_cnn")
        default = {"name": "segmentation"} if "unet" in str(block["model"]) else {"name": "classification"}
        block["task"] = default | block["task"]
    for block in [*params["inputs"].values(), *params["experiments"].values()]:
        params["datasets"].setdefault(block["dataset"], dict(DATASET))
    for name, block in params["experiments"].items():
        dataset, task = params["datasets"][block["dataset"]], block["task"]
        targets = task.get("targets") or [task.get("target", "target")]
        if task["name"] == "segmentation":
            dataset.setdefault("masks", "{m}")
        elif task["name"] in ("classification", "regression"):
            dataset.setdefault("targets", {target: target for target in targets})
        modality = "video" if "echo" in name else "image"
        params["inputs"].setdefault(name, {"dataset": block["dataset"], "modality": modality, "shape": [32, 32]})
    for name in params["datasets"]:
        params["inputs"].setdefault(name, {"dataset": name, "modality": "image", "shape": [32, 32]})
    return params


@pytest.mark.parametrize("name", sorted({str(page.relative_to(ROOT)) for page in PAGES} - set(PLUGINS)))
def test_every_block_of_settings_is_valid(name: str):
    for block in fenced(ROOT / name, "yaml"):
        for part in re.split(r"^ *(?:…|\.\.\.)$", block.replace(", …]", "]"), flags=re.MULTILINE):
            lines = textwrap.dedent(part)
            # the same key twice is two ways to write it
            for one in re.split(r"\n(?=\w+:)", lines) if re.search(r"^(\w+:)(.*\n)+\1", lines, re.M) else [lines]:
                try:
                    parse(whole(read_text(one, name)))
                except ConfigError as error:
                    faults = [fault for fault in str(error).splitlines()[1:] if not ELSEWHERE.search(fault)]
                    assert not faults, one
