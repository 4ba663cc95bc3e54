"""What every block of ``params.yaml`` is made of: frozen, documented per field, unknown keys refused."""

from __future__ import annotations

import itertools
import re
import types
import typing
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)

#: Context of the validation of a block that was accepted once, such as that of a saved model: its effect is known, and
#: the rules by which ``params.yaml`` refuses settings without effect are left out.
SAVED = {"saved": True}


def is_saved(info: ValidationInfo) -> bool:
    """Whether a block is validated that was accepted once, see :data:`SAVED`."""
    return bool((info.context or {}).get("saved"))


def first_fault(error: ValidationError) -> str:
    """The first fault of a block that was not accepted, as ``key: what``."""
    fault = error.errors(include_url=False)[0]
    key, text = ".".join(map(str, fault["loc"])), fault["msg"].removeprefix("Value error, ")
    return f"{key}: {text}" if key else text


@cache
def _annotations(block: type[BaseModel]) -> dict[str, Any]:
    """Key, as it is written, to what a block's field takes; without those that are short for something."""
    return {
        field.alias or name: field.annotation
        for name, field in block.model_fields.items()
        if not any(isinstance(one, BeforeValidator) for one in field.metadata)
    }


@cache
def _is_number(annotation: Any) -> bool:
    """Whether a field takes a number, and neither true nor false, nor a block that may be short for them."""
    kinds = set(_alternatives(annotation))
    return bool(kinds & {int, float}) and bool not in kinds and not any(_is_block(kind) for kind in kinds)


def _alternatives(annotation: Any) -> Iterator[Any]:
    """The alternatives of a union, through ``Annotated`` and aliases; the values of a ``Literal`` by their types."""
    annotation = getattr(annotation, "__value__", annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        short = any(isinstance(one, BeforeValidator) for one in arguments[1:])  # true may be short for a number
        yield from () if short else _alternatives(arguments[0])
    elif origin in (typing.Union, types.UnionType):
        for one in arguments:
            yield from _alternatives(one)
    elif origin is typing.Literal:
        yield from map(type, arguments)
    else:
        yield annotation


def _is_block(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


class Block(BaseModel):
    """A block of ``params.yaml``. The docstring under a field is its documentation, in the JSON schema too."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=False,
        allow_inf_nan=False,
        validate_default=True,
        protected_namespaces=(),
    )

    @model_validator(mode="before")
    @classmethod
    def _no_boolean(cls, values: Any, info: ValidationInfo) -> Any:
        """Refuse true where a number stands, it would be 1: labels smoothed to nothing. False is 0: none."""
        for key, value in values.items() if isinstance(values, dict) and not is_saved(info) else ():
            if value is True and _is_number(_annotations(cls).get(key)):
                raise ValueError(f"{key}: true is no number; write how much or how many, or remove the key")
        return values

    def differs(self, key: str) -> bool:
        """Whether a key has another value than its default."""
        return bool(getattr(self, key) != type(self).model_fields[key].get_default(call_default_factory=True))

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        # Pydantic's own use_attribute_docstrings parses every block's source at every start; only a schema needs it.
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, text in documentation(cls).items():
            properties[cls.model_fields[name].alias or name]["description"] = text
        return schema


def documentation(block: type[Block]) -> dict[str, str]:
    """The docstring under each field of a block that has one, inherited fields too."""
    import ast
    import inspect
    import textwrap

    texts: dict[str, str] = {}
    for cls in reversed(block.__mro__):
        if not issubclass(cls, Block) or cls is Block:
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body  # type: ignore[attr-defined]
        for field, following in itertools.pairwise(body):
            docstring = isinstance(field, ast.AnnAssign) and isinstance(following, ast.Expr) and following.value
            if isinstance(docstring, ast.Constant) and isinstance(docstring.value, str):
                texts[field.target.id] = inspect.cleandoc(docstring.value)
    return {name: text for name, text in texts.items() if name in block.model_fields}


#: A name in ``params.yaml``: it becomes a folder, a DVC stage and an MLflow run.
NAME = r"[A-Za-z0-9][A-Za-z0-9_\-]*"
Name = Annotated[str, StringConstraints(pattern=f"^{NAME}$", max_length=80)]
#: A target of DVC: a stage, or one of its entries.
Target = Annotated[str, StringConstraints(pattern=f"^[a-z][a-z\\-]*(@{NAME})?$", max_length=120)]


def local_path(value: str) -> str:
    """A path on this machine, returned as it came.

    Raises:
        ValueError: it is an address, which DVC or a library would send a request to.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.\-]*://", value):
        raise ValueError("addresses are not read; copy or mount the data, and name the folder or file on this machine")
    return value


#: Of random draws: what NumPy and PyTorch take.
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]

#: A file or folder on this machine.
LocalPath = Annotated[str, Field(min_length=1), AfterValidator(local_path)]


def as_text(value: object) -> object:
    """A whole number of YAML as the word that it stands for: ``32`` is ``"32"``. Anything else as it came."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def by_name(value: object, key: str = "name") -> object:
    """Shorthand to full form: ``onecycle`` means ``{name: onecycle}``. Anything else is returned as it came."""
    return {key: value} if isinstance(value, str) else value
