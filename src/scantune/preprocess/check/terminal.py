"""A check on the terminal. Here, and only here, files are named by their path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scantune.amounts import number_of
from scantune.preprocess.check.faults import grouped, without_remedy
from scantune.preprocess.check.findings import Findings
from scantune.preprocess.mask_labels import named

if TYPE_CHECKING:
    from rich.console import Console

SHOWN = 20
SHOWN_EACH = 5  # samples of one reason
BAR = 24


def print_check(name: str, findings: Findings, console: Console | None = None) -> None:
    """Print the findings of a check."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = console or Console()
    console.rule(Text(f"check of {name}"))
    below = grouped(findings.excluded)  # told in full with its samples
    for step in findings.flow["steps"]:
        subjects = "" if step["subjects"] is None else f" of {number_of(step['subjects'], 'subject')}"
        _say(console, f"{step['name']}: {number_of(step['samples'], 'sample')}{subjects}")
        for reason, count in _summed(step["excluded"]).items():
            shown = without_remedy(reason) if reason in below else reason
            _say(console, f"    − {count}  {shown}", style="yellow")
    if not findings.flow["subjects_known"]:
        _say(console, "no subject identifiers: each sample is treated as a separate subject", style="yellow")
    for note in findings.table_notes:
        _say(console, f"the table: {note}", style="yellow")
    _left_out(console, findings)
    _listed(console, "labels of masks", {named(k, findings.masks): v for k, v in findings.wrong_labels.items()})

    def with_file(sample_id: str) -> str:
        return named(sample_id, findings.files)

    _listed(console, "masks by label", {name: _size(entry) for name, entry in findings.mask_sizes.items()})
    _listed(console, "masks cut by the network's input", {with_file(k): v for k, v in findings.mask_cuts.items()})
    same = {with_file(first): ", ".join(map(with_file, others)) for first, *others in findings.duplicates}
    _listed(console, "the same image", same)
    odd = {with_file(sample_id): what for sample_id, what in findings.odd_intensities.items()}
    _listed(console, "unusual intensities, the most unusual first", odd)
    _listed(console, "intensities differ within the cohort", dict.fromkeys(findings.intensity_notes, ""))
    units = {with_file(sample_id): unit for sample_id, unit in findings.units.items()}
    _listed(console, "values in another unit than most", units)
    burned = sorted(findings.text_areas.items(), key=lambda item: -item[1])
    _listed(console, "burned-in text, blanked", {with_file(name): number_of(n, "line") for name, n in burned})
    kinds = {place: ", ".join(f"{k} {n}×" for k, n in hits.items()) for place, hits in findings.identifying.items()}
    _listed(console, "possibly identifying", kinds)
    _listed(console, "notes of the readers", {str(n): note for note, n in findings.notes.items()})
    for title, counts in findings.histograms.items():
        table = Table(title=Text(_plain(title)), title_justify="left", show_header=False, box=None)
        most = max(counts.values(), default=1)
        for value, count in counts.items():
            table.add_row(Text(_plain(value)), Text("█" * _blocks(count, most), style="blue"), str(count))
        console.print(table)
    for fault in findings.faults:
        _say(console, fault, style="bold red")


def _say(console: Console, words: str, style: str = "") -> None:
    """A line as it is, however wide the screen: a path or an id that is to be copied has no line end in it."""
    from rich.text import Text

    console.print(Text(_plain(words), style=style), soft_wrap=True)


def _plain(words: str) -> str:
    """Words of a table without what a terminal would obey."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "\ufffd", words)


def _blocks(count: int, most: int) -> int:
    """Length of a bar: at least one block, but none for 0."""
    return max(1, round(BAR * count / most)) if count else 0


def _size(entry: Mapping[str, Any]) -> str:
    """Samples and sizes of a label."""
    samples = f"in {entry['samples']} of {entry['of']} masks"
    return (
        f"{samples}, median {entry['median']} ({entry['smallest']} … {entry['largest']})"
        if "median" in entry
        else samples
    )


def _summed(reasons: Mapping[str, int]) -> dict[str, int]:
    """Counts of reasons, those that differ in numbers alone together."""
    return {reason: sum(reasons[one] for one in ones) for reason, ones in grouped({r: r for r in reasons}).items()}


def _left_out(console: Console, findings: Findings) -> None:
    """Each reason once, with its first samples and their files."""
    for reason, ids in grouped(findings.excluded).items():
        _say(console, f"excluded, {len(ids)} × {reason}", style="bold")
        for sample_id in ids[:SHOWN_EACH]:
            other = "" if findings.excluded[sample_id] == reason else f"  {findings.excluded[sample_id]}"
            _say(console, f"    {sample_id}{other}  {findings.details.get(sample_id, '')}")
        if len(ids) > SHOWN_EACH:
            _say(console, f"    … and {len(ids) - SHOWN_EACH} more (all: excluded.csv beside the page)")


def _listed(console: Console, title: str, lines: Mapping[str, str]) -> None:
    if not lines:
        return
    _say(console, title, style="bold")
    for number, (key, text) in enumerate(lines.items()):
        if number == SHOWN:
            _say(console, f"    … and {len(lines) - SHOWN} more (all: check.json beside the page)")
            break
        _say(console, f"    {key}  {text}")
