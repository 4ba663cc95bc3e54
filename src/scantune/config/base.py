"""What every block of ``params.yaml`` is made of: frozen, documented per field, unknown keys refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints


class Block(BaseModel):
    """A block of ``params.yaml``. The docstring under a field is its documentation, in the JSON schema too."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=False,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        validate_default=True,
        protected_namespaces=(),
    )


#: A name in ``params.yaml``: it becomes a folder, a DVC stage and an MLflow run.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_\-]*$", max_length=80)]


def by_name(value: object, key: str = "name") -> object:
    """Shorthand to full form: ``onecycle`` means ``{name: onecycle}``. Anything else is returned as it came."""
    return {key: value} if isinstance(value, str) else value
