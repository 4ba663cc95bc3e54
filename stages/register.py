"""Register an experiment's or ensemble's model: ``python stages/register.py <name>`` → ``outputs/<name>/register/``."""

from __future__ import annotations

from scantune.config.load import load
from scantune.pipeline.project import evaluated_block, home_of, trained_by
from scantune.script import stage_main


def run(key: str) -> None:
    """The logged model becomes a version; it receives the alias only if the comparison allows it."""
    from scantune.registry.promotion import register
    from scantune.tracking import known_training, open_run

    params = load()
    block, home = evaluated_block(params, key), home_of(params, key)
    trained = known_training(key, home / "train" / "run.json", params.tracking)
    with open_run(
        "register",
        key,
        dataset=block.dataset,
        parent=trained.run_id,
        enabled=params.tracking.enabled and block.register_.enabled,
        require=params.tracking.require,
    ) as tracked:
        tracked.params({"register": block.register_.model_dump(mode="json")})
        decision = register(
            tracked,
            trained,
            name=block.register_.name or block.dataset,
            alias=block.register_.alias,
            task=block.task,
            evaluate=block.evaluate,
            folder=home / "evaluate",
            baseline=block.register_.baseline,
            again=f"dvc repro -f {trained_by(params, key)}@{key}",
        )
        decision.write(home / "register" / "registration.json")
        tracked.artifact(home / "register" / "registration.json")
    print(decision.in_words())


if __name__ == "__main__":
    stage_main(run)
