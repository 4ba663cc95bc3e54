"""Files to cached tensors: ``python stages/preprocess.py <input>`` → ``data/cache/<input>/``."""

from __future__ import annotations

from pathlib import Path

from scantune.config.load import load
from scantune.pipeline.project import named
from scantune.script import stage_main


def run(key: str) -> None:
    """Prepare every record of the dataset of ``inputs.<key>``; what cannot be used is named in ``excluded.csv``."""
    from scantune import preprocess
    from scantune.cohort.index import known_files
    from scantune.config.watching import indexed_folder
    from scantune.digests import SHORT, file_digest
    from scantune.pipeline.data.targets import mask_classes, read_for_tasks
    from scantune.pipeline.naming import FileNames
    from scantune.tracking import open_run, own_folder

    params = load()
    block, tracking = named(params, "inputs", key), params.tracking
    dataset = params.datasets[block.dataset]
    out = Path("data/cache") / key
    loaded = read_for_tasks(params, block.dataset, Path("."))
    for warning in loaded.warnings:
        print(FileNames(params, block.dataset, loaded.records).added(warning))
    with open_run(
        "preprocess", key, dataset=block.dataset, enabled=tracking.enabled, require=tracking.require
    ) as tracked:
        tracked.params({"input": block.model_dump(mode="json"), "dataset": dataset.without_places()})
        summary = preprocess.run(
            loaded,
            block,
            out,
            own_folder() / "store",
            max_excluded_fraction=dataset.max_excluded_fraction,
            index=known_files(Path(indexed_folder(dataset)), dataset.index, block.dataset),
            mask_classes=mask_classes(params, key),
            say=print,
        )
        tracked.metrics({"samples": summary.prepared, "excluded": len(summary.excluded)})
        tracked.tags({"scantune.manifest": file_digest(out / "manifest.csv", SHORT)})
        for name in ("manifest.csv", "excluded.csv", "flow.json"):
            tracked.artifact(out / name)


if __name__ == "__main__":
    stage_main(run)
