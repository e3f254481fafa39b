"""Text in pictures: a font that has its glyphs, or an honest stand-in."""

import functools
import importlib.util
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
"""Either: Pillow without FreeType has the latter."""

_SYSTEM: Final = (
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansThai-Regular.ttf",
    "FreeSans.ttf",
    "unifont.ttf",
    "unifont.otf",
    "Arial Unicode.ttf",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "AppleSDGothicNeo.ttc",
    "msyh.ttc",
    "msgothic.ttc",
    "malgun.ttf",
    "Nirmala.ttf",
    "LeelawUI.ttf",
    "seguisym.ttf",
)
"""Fonts of Linux, macOS and Windows that have what DejaVu lacks, by their usual file names."""

_NO_CHARACTER: Final = "\uffff"
"""Never a character (Unicode 23.7), so every font draws its sign for a missing glyph."""

_ELLIPSIS: Final = "..."


def font_for(text: str, points: int, *, bold: bool = False) -> Font:
    """Return the first font that has all glyphs of a text; the usual one if there is none."""
    name = next((name for name in _faces(bold=bold) if _has_all(name, text)), None)
    return _font(name or next(_faces(bold=bold)), points)


def can_draw(text: str) -> bool:
    """Return whether a font of this machine has every glyph of a text."""
    return any(_has_all(name, text) for name in _faces(bold=False))


def drawable_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names on one line each; `class N` for the Nth where no font has its glyphs."""
    lines = [" ".join(name.split()) for name in names]
    return tuple(
        line if line and can_draw(line) else f"class {index}" for index, line in enumerate(lines)
    )


def drawable(text: str) -> str:
    """Return a text on one line, with ? for each character that no font draws beside the rest."""
    line = " ".join(text.split())
    if can_draw(line):
        return line
    usual = next(_faces(bold=False))
    return "".join(one if _has_all(usual, one) else "?" for one in line)


def shortened(text: str, font: Font, width: float) -> str:
    """Cut a text to a width in pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + _ELLIPSIS) > width:
        text = text[:-1]
    return text.rstrip() + _ELLIPSIS


def wrapped(text: str, font: Font, width: float, most: int = 20) -> list[str]:
    """Break a text into at most so many lines of a width in pixels; what has no room is cut."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) > most:
        lines[most - 1 :] = [" ".join(lines[most - 1 :])]
    return [shortened(line, font, width) for line in lines]


def _faces(*, bold: bool) -> Iterator[str]:
    """Yield the names of the fonts that can be loaded; "" is Pillow's own, which has ASCII only."""
    packaged = _packaged("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
    yield from (name for name in (packaged, "", *_SYSTEM) if _loads(name))


@functools.cache
def _packaged(name: str) -> str:
    # matplotlib, which draws the plots of reports, has the font among its files. Finding the
    # package imports nothing.
    found = importlib.util.find_spec("matplotlib")
    places = found.submodule_search_locations if found else None
    return str(Path(places[0], "mpl-data", "fonts", "ttf", name)) if places else name


@functools.cache
def _loads(name: str) -> bool:
    try:
        _font(name, 16)
    except OSError:
        return False
    return True


@functools.lru_cache(maxsize=256)
def _font(name: str, points: int) -> Font:
    return ImageFont.truetype(name, points) if name else ImageFont.load_default(points)


def _has_all(name: str, text: str) -> bool:
    return all(_has(name, one) for one in text)


@functools.lru_cache(maxsize=8192)
def _has(name: str, character: str) -> bool:
    # Spaces leave no ink, and marks of format, such as joiners, need none.
    if character.isspace() or unicodedata.category(character) == "Cf":
        return True
    return character.isprintable() and _drawn(name, character) != _drawn(name, _NO_CHARACTER)


def _drawn(name: str, character: str) -> bytes:
    mask = _font(name, 16).getmask(character)
    return bytes(mask) + repr(mask.size).encode()
