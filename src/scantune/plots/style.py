"""The style of all figures: sizes of journal columns, colours, and byte-identical files.

Colours are those of Okabe & Ito (jfly.uni-koeln.de/color), which colour-blind readers can distinguish; for grey print
each also has a line style and marker, and no figure distinguishes series by hue only. Figures use the object interface
of matplotlib with Agg: no window, no global figure, and the settings of the user do not change.
"""

from __future__ import annotations

import functools
import io
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scantune.files import write_bytes
from scantune.plots import lettering

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.layout_engine import LayoutEngine

P = ParamSpec("P")

#: Width of a journal's single and double column in inches.
SINGLE = 89 / 25.4
DOUBLE = 183 / 25.4

BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
INK, GREY, PALE = "#1A1A1A", "#767676", "#DDDDDD"

#: Colour, line style and marker of the series of a figure.
SERIES: tuple[tuple[str, Any, str], ...] = (
    (BLUE, "-", "o"),
    (VERMILION, (0, (4, 1.5)), "s"),
    (GREEN, (0, (1, 1)), "^"),
    (INK, (0, (5, 1, 1, 1)), "D"),
    (ORANGE, (0, (3, 1, 1, 1, 1, 1)), "v"),
    (PURPLE, "-", "P"),
    (SKY, (0, (4, 1.5)), "X"),
)

#: Above this number marks are rasterised in vector files, which otherwise take seconds to open.
RASTER_ABOVE = 2000

RC: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # part of matplotlib, so the same on every machine
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
    "pdf.fonttype": 42,  # editable text for typesetting
    "text.usetex": False,
    "text.parse_math": False,  # a "$" in a class name is a "$"
    "mathtext.default": "regular",
    "path.simplify": True,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
}


@contextmanager
def project_style() -> Iterator[None]:
    """Context with the style of the project; the settings of matplotlib are restored afterwards."""
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", lettering.MISSING)
        mpl.rcdefaults()
        mpl.rcParams.update(RC)  # type: ignore[arg-type]
        yield


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorator: the function draws in the project's style."""

    @functools.wraps(draw)
    def inner(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with project_style():
            return draw(*args, **kwargs)

    return inner


def canvas(width: float = SINGLE, height: float | None = None) -> Figure:
    """An empty figure of ``width`` × ``height`` inches (default height: 0.85 of the width), with automatic layout."""
    figure = Figure(figsize=(width, 0.85 * width if height is None else height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def single(width: float = SINGLE, height: float | None = None) -> tuple[Figure, Axes]:
    """A figure with one panel."""
    figure = canvas(width, height)
    return figure, figure.add_subplot()


#: Metadata of each format without date and program.
_SILENT: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


def render(figure: Figure, form: str) -> bytes:
    """The figure as bytes of a file: equal figures give equal bytes, without date, path or program.

    Args:
        figure: of a function of this package.
        form: ``svg``, ``pdf`` or ``png`` (300 dpi).
    """
    return _rendered(figure, (form,))[0]


def save(figure: Figure, stem: Path | str, formats: tuple[str, ...] = ("svg", "png")) -> list[Path]:
    """Write ``stem.svg`` and ``stem.png`` (or other ``formats``), each atomically.

    Returns:
        The written paths, in the order of ``formats``.
    """
    paths = [Path(f"{stem}.{form}") for form in formats]
    for path, content in zip(paths, _rendered(figure, formats), strict=True):
        write_bytes(path, content)
    return paths


def _rendered(figure: Figure, formats: tuple[str, ...]) -> list[bytes]:
    """The figure in several formats, its layout computed once: that takes longer than drawing."""
    contents = []
    layout = figure.get_layout_engine()
    with project_style(), lettering.lettered(figure):
        if layout is not None:
            _lay_out(figure, layout)
        figure.set_layout_engine("none")
        try:
            for form in formats:
                stream = io.BytesIO()
                figure.savefig(stream, format=form, metadata=_SILENT[form], dpi=300)
                contents.append(stream.getvalue())
        finally:
            figure.set_layout_engine(layout)
    return contents


def _lay_out(figure: Figure, layout: LayoutEngine) -> None:
    """Run the layout once, with square panels until it stays: before that it may leave titles outside the figure."""
    square = any(axes.get_aspect() != "auto" for axes in figure.axes)
    before: np.ndarray | None = None
    for _ in range(10 if square else 1):
        layout.execute(figure)
        places = np.array([axes.get_position(original=True).bounds for axes in figure.axes])
        if before is not None and np.allclose(places, before, rtol=0, atol=0.002):
            break
        before = places


def note(figure: Figure, text: str) -> None:
    """Add a sentence to the notes below the figure, such as exclusions, counts and conventions."""
    before = figure.get_supxlabel().replace("\n", " ")
    wrapped = textwrap.wrap(f"{before} {text}".strip(), int(figure.get_figwidth() * 23))
    figure.supxlabel(
        "\n".join(wrapped), x=0.01, ha="left", fontsize=5.5, color="#4D4D4D", fontweight="normal", linespacing=1.25
    )


def undefined(axes: Axes, reason: str, letters: int = 34) -> None:
    """An empty panel with the reason why it is undefined, in lines of at most ``letters``."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.text(
        0.5,
        0.5,
        "\n".join(textwrap.wrap(f"undefined: {reason}", letters)),
        transform=axes.transAxes,
        ha="center",
        va="center",
        color="#4D4D4D",
        style="italic",
    )


def finite(figure: Figure, *arrays: Any, what: str = "samples") -> list[np.ndarray]:
    """The arrays (float64, [N]) where all of them are finite; the number of others is noted below the figure.

    Raises:
        ValueError: the arrays differ in length.
    """
    values = [np.asarray(array, dtype=np.float64).reshape(-1) for array in arrays]
    lengths = {len(value) for value in values}
    if len(lengths) > 1:
        raise ValueError(f"arrays of one figure differ in length: {sorted(lengths)}")
    complete = np.all([np.isfinite(value) for value in values], axis=0)
    missing = int((~complete).sum())
    if missing:
        note(figure, f"{missing} of {len(complete)} {what} have no finite value and are not drawn.")
    return [value[complete] for value in values]


Corner = Literal["lower right", "lower left", "upper left", "upper right"]

_CORNERS: dict[Corner, tuple[int, int]] = {
    "lower right": (1, 0),
    "lower left": (0, 0),
    "upper left": (0, 1),
    "upper right": (1, 1),
}
"""Corner of a panel to its horizontal and vertical end."""


def emptiest(points: np.ndarray, corners: Sequence[Corner], width: float, height: float) -> Corner:
    """The corner in which text would hide the fewest marks; among equals the first.

    Args:
        points: marks in shares of the panel, [N, xy].
        corners: of these, the preferred one first: ``lower right``, ``upper left`` …
        width: of the text, as a share of the panel.
        height: of the text.
    """

    return min(corners, key=lambda corner: hidden(points, corner, width, height))


def hidden(points: np.ndarray, corner: Corner, width: float, height: float) -> int:
    """How many of ``points`` text in a corner would hide; arguments as of :func:`emptiest`."""
    right, top = _CORNERS[corner]
    x = 1 - points[:, 0] if right else points[:, 0]
    y = 1 - points[:, 1] if top else points[:, 1]
    return int(((x <= width) & (y <= height)).sum())


def in_corner(
    axes: Axes,
    lines: Sequence[str],
    points: np.ndarray,
    *,
    width: float,
    height: float,
    size: float = 6,
    corners: Sequence[Corner] = ("upper left", "lower right"),
) -> None:
    """Lines of text in the corner of a panel where they hide fewest marks, above these on a pale ground.

    Args:
        axes: the panel, with its final limits.
        lines: of the text.
        points: marks and points of lines in shares of the panel, [N, xy].
        width: of the text, as a share of the panel.
        height: of the text.
        size: of the font.
        corners: of these, the preferred one first.
    """
    if not lines:
        return
    right, top = _CORNERS[emptiest(points, corners, width, height)]
    axes.text(
        0.97 if right else 0.03,
        0.97 if top else 0.03,
        "\n".join(lines),
        transform=axes.transAxes,
        ha="right" if right else "left",
        va="top" if top else "bottom",
        fontsize=size,
        linespacing=1.35,
        zorder=5,
        bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5},
    )


def integer_ticks(axis: Axis, most: int = 9) -> None:
    """Ticks at integers only, for counts and epochs; one where the axis has no second."""
    axis.set_major_locator(MaxNLocator(most, integer=True, min_n_ticks=1))


def rounded(lowest: float, highest: float, share: float = 0.04) -> tuple[float, float]:
    """Limits of an axis: the range with a margin, also for an empty range."""
    width = (highest - lowest) or max(abs(highest), 1.0)
    return lowest - share * width, highest + share * width
