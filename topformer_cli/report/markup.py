"""HTML built as a tree of strings; whatever is not `Markup` is escaped."""

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

STYLE: Final = Path(__file__).with_name("style.css")
VOID: Final = frozenset({"br", "img", "meta"})
"""Elements without an end tag."""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def join(*children: str) -> Markup:
    """Return children after one another; plain strings are escaped."""
    return Markup("".join(_escaped(child) for child in children))


def element(name: str, *children: str, attributes: Mapping[str, str] | None = None) -> Markup:
    """Return an element; plain children and the values of attributes are escaped."""
    words = [name, *(f'{key}="{html.escape(value)}"' for key, value in (attributes or {}).items())]
    start = f"<{' '.join(words)}>"
    return Markup(start if name in VOID else f"{start}{join(*children)}</{name}>")


def styled(name: str, style: str, *children: str) -> Markup:
    """Return an element of a class of the style sheet."""
    return element(name, *children, attributes={"class": style})


def document(title: str, *sections: str) -> str:
    """Return a whole HTML5 page with the style sheet inside."""
    scale = {"name": "viewport", "content": "width=device-width, initial-scale=1"}
    head = element(
        "head",
        element("meta", attributes={"charset": "utf-8"}),
        element("meta", attributes=scale),
        element("title", title),
        element("style", Markup(STYLE.read_text(encoding="utf-8"))),
    )
    body = element("body", element("main", *sections))
    page = element("html", head, body, attributes={"lang": "en"})
    return f"<!DOCTYPE html>\n{page}\n"


def data_uri(content: bytes, kind: str) -> str:
    """Return bytes of a media type, such as image/png, as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def image(address: str, alt: str, size: tuple[int, int]) -> Markup:
    """Return a picture; size is (width, height) in pixels."""
    width, height = (str(side) for side in size)
    attributes = {"src": address, "alt": alt, "width": width, "height": height}
    return element("img", attributes=attributes)


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """Return a table that scrolls by itself on narrow screens; first cells are row headers."""
    head = element("tr", *(element("th", text, attributes={"scope": "col"}) for text in columns))
    body = [
        element(
            "tr",
            element("th", row[0], attributes={"scope": "row"}),
            *(element("td", cell) for cell in row[1:]),
        )
        for row in rows
    ]
    return styled(
        "div",
        "scroll",
        element(
            "table",
            element("caption", caption),
            element("thead", head),
            element("tbody", *body),
        ),
    )


def _escaped(text: str) -> str:
    return text if isinstance(text, Markup) else html.escape(text)
