"""Looks at a test set: every model that was judged on it is counted, and a second one refused where it is locked.

Evaluating the same weights again shows nothing new and does not count as another look. What was seen is kept twice: in
the project's
own folder, and as tags of the evaluate runs, so that colleagues who share the tracking server share the count.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from typing import Any

from filelock import FileLock

from scantune.files import write_json
from scantune.records import ScantuneError
from scantune.tracking import Run, own_folder

log = logging.getLogger(__name__)

TEST, MODEL, NUMBER = "scantune.test_digest", "scantune.model_digest", "scantune.look"


class LockedTestSet(ScantuneError):
    """The test set may be looked at once, and was."""


@dataclass(frozen=True)
class Look:
    """One model's look at a test set.

    Attributes:
        digest: of the test set's samples.
        look: 1 for the first model judged on it, 2 for the second …; the same when that model is judged again.
        locked: whether ``evaluate.locked`` was set.
    """

    digest: str
    look: int
    locked: bool

    def as_dict(self) -> dict[str, Any]:
        """For ``metrics.json``."""
        return asdict(self)


def look(run: Run, *, test: str, model: str, key: str, locked: bool = False) -> Look:
    """Note, before anything is predicted, that a model looks at a test set.

    Args:
        run: the evaluate run; its MLflow experiment is searched for earlier looks.
        test: digest of the test set's samples.
        model: digest of the model's weights.
        key: the experiment's name, for messages.
        locked: refuse where another model looked already.

    Raises:
        LockedTestSet: ``locked``, and another model was judged on this test set before.
    """
    path = own_folder() / "looks.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        recorded = json.loads(path.read_text()) if path.exists() else {}
        looks = _logged(run, test) | {
            name: (entry["look"], entry["key"]) for name, entry in recorded.get(test, {}).items()
        }
        number = looks[model][0] if model in looks else 1 + max((n for n, _ in looks.values()), default=0)
        if locked and number > 1:
            first = ", ".join(sorted({name for n, name in looks.values() if n < number}))
            raise LockedTestSet(
                f"evaluate.locked: this test set was evaluated before (by {first}). A locked test set is evaluated "
                "once, by the model chosen on validation; keep the metrics of that model, or unlock and report that "
                f"this was evaluation number {number}"
            )
        recorded.setdefault(test, {})[model] = {"look": number, "key": key}
        write_json(path, recorded, sort_keys=True)
    run.tags(tags(test, model, number))
    run.metrics({"test_look": number})
    return Look(test, number, locked)


def tags(test: str, model: str, number: int) -> dict[str, str]:
    """What an evaluate run says of its look: digests of test set and model, and which look it was."""
    return {TEST: test, MODEL: model, NUMBER: str(number)}


def _logged(run: Run, test: str) -> dict[str, tuple[int, str]]:
    """Model to (number, experiment) from the runs on the server; empty if the server does not respond."""
    if not run.on:
        return {}
    try:
        experiment = run.service.get_run(run.run_id).info.experiment_id
        runs = run.service.search_runs([experiment], f"tags.`{TEST}` = '{test}'", max_results=1000)
    except Exception as error:
        log.warning(
            "earlier evaluations of the test set cannot be looked up (%s); only those recorded here are counted",
            type(error).__name__,
        )
        return {}
    tags = [entry.data.tags for entry in runs]
    return {
        entry[MODEL]: (int(entry[NUMBER]), entry.get("scantune.key", "another"))
        for entry in tags
        if MODEL in entry and entry.get(NUMBER, "").isdigit()
    }
