"""Report of loading a weights file into a network; an attribute of the backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LoadReport:
    """Report of loading a weights file into a network.

    Attributes:
        source: name of the file.
        matched: names of loaded tensors, as in the network.
        missing: names in the network but not in the file; they keep their random values.
        unexpected: names in the file but not in the network.
        mismatched: (name, shape in the file, shape in the network); they keep their random values.
        adapted: (name, description of the change) of first layers and position embeddings.
        share: loaded parameters divided by all parameters of the network.
    """

    source: str
    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]
    adapted: tuple[tuple[str, str], ...]
    share: float

    def __str__(self) -> str:
        lines = [f"{self.source}: {self.share:.1%} of the parameters loaded, {len(self.matched)} tensors"]
        lines += [f"  adapted {name}: {how}" for name, how in self.adapted]
        for label, tensors in (("missing", self.missing), ("unexpected", self.unexpected)):
            if tensors:
                lines.append(f"  {label} ({len(tensors)}): {_abbreviated(tensors)}")
        if self.mismatched:
            shapes = [f"{name} is {in_file}, not {in_net}" for name, in_file, in_net in self.mismatched]
            lines.append(f"  mismatched ({len(shapes)}): {_abbreviated(shapes)}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, object]:
        """JSON-serialisable values for the record of the run."""
        return {
            "source": self.source,
            "share": round(self.share, 6),
            "matched": len(self.matched),
            "missing": list(self.missing),
            "unexpected": list(self.unexpected),
            "mismatched": [[name, list(a), list(b)] for name, a, b in self.mismatched],
            "adapted": [list(pair) for pair in self.adapted],
        }


def _abbreviated(items: Sequence[str], most: int = 5) -> str:
    return ", ".join(items[:most]) + (", …" if len(items) > most else "")
