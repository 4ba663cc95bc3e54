"""What a prepared sample depends on besides its files and settings: our code and the decoders."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

from scantune.packaged import version_of

#: Modules that make tensors and masks; the others of this package only store, count and display them.
_MAKERS = (
    "prepare",
    "prepared",
    "reading",
    "still",
    "volume",
    "video",
    "plane",
    "clahe",
    "masks",
    "mask_rule",
    "mask_colours",
    "mask_outlines",
    "../mask_codes",
    "../mask_keys",
    "intensity",
    "half",
    "grid",
    "sector",
    "text",
    "deface",
    "components",
    "own_grid",
)
#: Decoders differ by some grey levels (JPEG) and resamplers by rounding, so their versions are part of every key.
_LIBRARIES = (
    "numpy", "pydicom", "pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "pylibjpeg-rle", "python-gdcm",
    "pyjpegls", "nibabel", "isal", "SimpleITK", "opencv-python-headless", "av", "pillow", "scipy",
)  # fmt: skip


@cache
def code_version(*beside: str) -> str:
    """Digest of what the code does: of its syntax tree, so that comments, docstrings and layout change nothing.

    Args:
        beside: additional modules of this package that count.
    """
    package = Path(__file__).parent
    paths = [package / f"{name}.py" for name in (*_MAKERS, *beside)] + sorted((package.parent / "io").rglob("*.py"))
    digest = hashlib.sha256()
    for path in paths:
        if path.is_file():
            digest.update(path.name.encode())
            digest.update(ast.dump(_without_docstrings(ast.parse(path.read_bytes()))).encode())
    return digest.hexdigest()


@cache
def library_versions(*beside: str) -> dict[str, str]:
    """Version of each library that decodes or resamples; "" where it is not installed.

    Args:
        beside: additional packages that count.
    """
    return {name: version_of(name) for name in (*_LIBRARIES, *beside)}


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body:
            first = body[0]
            if isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str):
                node.body = body[1:] or [ast.Pass()]
    return tree
