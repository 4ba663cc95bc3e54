"""What of a weights file went into a network; the backbone keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LoadReport:
    """What of a weights file went into a network.

    Attributes:
        source: name of the file.
        matched: names that were loaded (as the network has them).
        missing: names of the network that the file does not have; they keep their random values.
        unexpected: names of the file that the network does not have.
        mismatched: (name, shape in the file, shape in the network); they keep their random values.
        adapted: (name, what was done to make it fit): first layers and position embeddings.
        share: parameters loaded / parameters of the network.
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
        for label, found in (("missing", self.missing), ("unexpected", self.unexpected)):
            if found:
                lines.append(f"  {label} ({len(found)}): {_some(found)}")
        if self.mismatched:
            shapes = [f"{name} is {in_file}, not {in_net}" for name, in_file, in_net in self.mismatched]
            lines.append(f"  mismatched ({len(shapes)}): {_some(shapes)}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, object]:
        """JSON-able, for the run's record."""
        return {
            "source": self.source,
            "share": round(self.share, 6),
            "matched": len(self.matched),
            "missing": list(self.missing),
            "unexpected": list(self.unexpected),
            "mismatched": [[name, list(a), list(b)] for name, a, b in self.mismatched],
            "adapted": [list(pair) for pair in self.adapted],
        }


def _some(found: Sequence[str], most: int = 5) -> str:
    return ", ".join(found[:most]) + (", …" if len(found) > most else "")
