"""One style for every figure: sizes of journal columns, colours, and files that are the same bytes every time.

Colours are those of Okabe & Ito (jfly.uni-koeln.de/color), told apart by colour-blind readers; since they must also
survive a grey print, each comes with its own line style and marker, and no figure tells two things apart by hue alone.
matplotlib's object interface alone is used, drawn by Agg: no window, no global figure, and the reader's own settings
stay as they were.
"""

from __future__ import annotations

import functools
import io
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scantune.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

P = ParamSpec("P")

#: Width of a journal's single and double column in inches.
SINGLE = 89 / 25.4
DOUBLE = 183 / 25.4

BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
INK, GREY, PALE = "#1A1A1A", "#767676", "#DDDDDD"

#: Colour, line style and marker of the first, second … thing of a figure.
SERIES: tuple[tuple[str, Any, str], ...] = (
    (BLUE, "-", "o"),
    (VERMILION, (0, (4, 1.5)), "s"),
    (GREEN, (0, (1, 1)), "^"),
    (INK, (0, (5, 1, 1, 1)), "D"),
    (ORANGE, (0, (3, 1, 1, 1, 1, 1)), "v"),
    (PURPLE, "-", "P"),
    (SKY, (0, (4, 1.5)), "X"),
)

#: Above so many marks a vector file holds them as pixels, or it would take seconds to open.
RASTER_ABOVE = 2000

RC: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so the same everywhere
    "font.size": 7,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "text.color": INK,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "grid.color": PALE,
    "grid.linewidth": 0.4,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.dpi": 150,
    "savefig.dpi": 300,
    "image.interpolation": "nearest",
    "svg.fonttype": "path",
    "svg.hashsalt": "scantune",
    "pdf.fonttype": 42,  # text stays text for the journal's typesetter
    "text.usetex": False,
    "text.parse_math": False,  # a "$" in a class name is a "$"
    "mathtext.default": "regular",
    "path.simplify": True,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
}


@contextmanager
def look() -> Iterator[None]:
    """Within it matplotlib has the style of the project; afterwards whatever it had before."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(RC)  # type: ignore[arg-type]
        yield


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorator: the function draws in the project's style."""

    @functools.wraps(draw)
    def inner(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with look():
            return draw(*args, **kwargs)

    return inner


def canvas(width: float = SINGLE, height: float | None = None) -> Figure:
    """An empty figure of ``width`` × ``height`` inches (height: 0.85 of the width) that lays itself out."""
    figure = Figure(figsize=(width, 0.85 * width if height is None else height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def single(width: float = SINGLE, height: float | None = None) -> tuple[Figure, Axes]:
    """A figure with one panel."""
    figure = canvas(width, height)
    return figure, figure.add_subplot()


#: What each format would say of when and by what it was made, silenced.
_SILENT: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


def render(figure: Figure, form: str) -> bytes:
    """The figure as the bytes of a file: the same figure gives the same bytes, with no date, path or program in it.

    Args:
        figure: what a function of this package returned.
        form: ``svg``, ``pdf`` or ``png`` (300 dpi).
    """
    stream = io.BytesIO()
    with look():
        if any(axes.get_aspect() != "auto" for axes in figure.axes):
            for _ in range(2):  # where a panel is square the layout needs rounds: the first may cut labels off
                figure.draw_without_rendering()
        figure.savefig(stream, format=form, metadata=_SILENT[form], dpi=300)
    return stream.getvalue()


def save(figure: Figure, stem: Path | str, formats: tuple[str, ...] = ("svg", "png")) -> list[Path]:
    """Write ``stem.svg`` and ``stem.png`` (whatever ``formats`` names); each file is whole or not there.

    Returns:
        The paths written, in the order of ``formats``.
    """
    written = []
    for form in formats:
        path = Path(f"{stem}.{form}")
        write_bytes(path, render(figure, form))
        written.append(path)
    return written


def note(figure: Figure, text: str) -> None:
    """Add a sentence to the small print below the figure: what was left out, how many, which convention."""
    before = figure.get_supxlabel().replace("\n", " ")
    wrapped = textwrap.wrap(f"{before} {text}".strip(), int(figure.get_figwidth() * 23))
    figure.supxlabel(
        "\n".join(wrapped), x=0.01, ha="left", fontsize=5.5, color="#4D4D4D", fontweight="normal", linespacing=1.25
    )


def undefined(axes: Axes, reason: str) -> None:
    """Leave the panel empty but for why: what cannot be computed is never drawn as if it could."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.text(
        0.5,
        0.5,
        "\n".join(textwrap.wrap(f"undefined: {reason}", 34)),
        transform=axes.transAxes,
        ha="center",
        va="center",
        color="#4D4D4D",
        style="italic",
    )


def finite(figure: Figure, *arrays: Any, what: str = "samples") -> list[np.ndarray]:
    """The arrays (float64, [N]) where all of them are finite; how many were not is noted below the figure.

    Raises:
        ValueError: the arrays differ in length.
    """
    values = [np.asarray(array, dtype=np.float64).reshape(-1) for array in arrays]
    lengths = {len(value) for value in values}
    if len(lengths) > 1:
        raise ValueError(f"arrays of one figure differ in length: {sorted(lengths)}")
    whole = np.all([np.isfinite(value) for value in values], axis=0)
    missing = int((~whole).sum())
    if missing:
        note(figure, f"{missing} of {len(whole)} {what} have no finite value and are not drawn.")
    return [value[whole] for value in values]


def whole_numbers(axis: Axis, most: int = 9) -> None:
    """Ticks at integers only: half a sample or half an epoch does not exist."""
    axis.set_major_locator(MaxNLocator(most, integer=True))


def rounded(lowest: float, highest: float, share: float = 0.04) -> tuple[float, float]:
    """Limits of an axis: the range with a margin; a range of no width is given one."""
    width = (highest - lowest) or max(abs(highest), 1.0)
    return lowest - share * width, highest + share * width
