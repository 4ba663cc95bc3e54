"""A font of one letter, for tests of letters that the figures' own font lacks."""

from __future__ import annotations

from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager


@pytest.fixture
def private_use_font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A font of this machine with one letter that the figures' own font lacks."""
    letter = "肺"
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0)), pen.lineTo((900, 0)), pen.lineTo((900, 900)), pen.closePath()
    builder = FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", "lung"])
    builder.setupCharacterMap({ord(letter): "lung"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "lung": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "lung": (1000, 0)})
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": "Lung Sans", "styleName": "Regular", "psName": "LungSans"})
    builder.setupOS2(usWeightClass=400)
    builder.setupPost()
    builder.save(tmp_path / "lung.ttf")
    monkeypatch.setattr(font_manager.fontManager, "ttflist", list(font_manager.fontManager.ttflist))
    font_manager.fontManager.addfont(tmp_path / "lung.ttf")
    return letter
