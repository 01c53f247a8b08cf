"""Small pieces of HTML: every text that comes from a run passes through `text`, which escapes it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import NewType

Markup = NewType("Markup", str)
"""HTML that may stand in the page as it is. A plain string never may."""


def text(value: object) -> Markup:
    return Markup(html.escape(str(value), quote=True))


def join(parts: Iterable[Markup]) -> Markup:
    return Markup("".join(parts))


def element(tag: str, content: Markup, *, css: str = "") -> Markup:
    attribute = f' class="{html.escape(css, quote=True)}"' if css else ""
    return Markup(f"<{tag}{attribute}>{content}</{tag}>")


def table(heads: Sequence[Markup], rows: Iterable[Sequence[Markup]], *, css: str = "") -> Markup:
    """A table whose first column names the row. Scrolls sideways by itself on a narrow screen."""
    head = join(Markup(f'<th scope="col">{cell}</th>') for cell in heads)
    body = join(
        Markup(f'<tr><th scope="row">{row[0]}</th>{join(element("td", cell) for cell in row[1:])}</tr>')
        for row in rows
    )
    inner = Markup(f'<table class="{css}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')
    return element("div", inner, css="scroll")


def section(anchor: str, title: str, content: Markup) -> Markup:
    """A titled section; nothing where there is nothing to show."""
    if not content:
        return Markup("")
    return Markup(f'<section id="{anchor}"><h2>{text(title)}</h2>{content}</section>')


def folded(title: str, content: Markup) -> Markup:
    return Markup(f"<details><summary>{text(title)}</summary>{content}</details>") if content else Markup("")


def duration(seconds: float) -> str:
    """Seconds as a person says them: 48 s, 3 min 20 s, 5 h 12 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
