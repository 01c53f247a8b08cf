"""Surface normal form of a short text: Unicode, LaTeX and Markdown dress, white space, outer quotes and
final stops.

Case and wording stay; what may differ between two ways of typing the same answer goes. `clean(clean(x)) ==
clean(x)`.
"""

from __future__ import annotations

import re
import unicodedata

_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+")
_FROM_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_VULGAR = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3", "⅕": "1/5", "⅛": "1/8"}
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
        **dict.fromkeys("×✕✖⨯", "x"),
        **dict.fromkeys("、﹑，", ","),
        **dict.fromkeys("。．｡", "."),
        **dict.fromkeys("“”„‟″「」『』《》", '"'),
        **dict.fromkeys("‘’‚‛′ʼ＇`´", "'"),
        **dict.fromkeys("【〔", "["),
        **dict.fromkeys("】〕", "]"),
        **dict.fromkeys("～〜∼≈≃", "~"),
        **dict.fromkeys("˚º", "°"),
        "；": ";",
        "：": ":",
        "⁄": "/",
        "∕": "/",
        "≤": "<=",
        "⩽": "<=",
        "≥": ">=",
        "⩾": ">=",
        "⋅": "*",
        "·": "*",
    }
)
_LATEX = {
    **dict.fromkeys(("text", "textrm", "textbf", "textit", "texttt", "textsf", "emph", "operatorname"), ""),
    **dict.fromkeys(
        ("mathrm", "mathbf", "mathit", "mathsf", "rm", "bf", "displaystyle", "left", "right"), ""
    ),
    **dict.fromkeys(("geq", "ge", "geqslant"), ">="),
    **dict.fromkeys(("leq", "le", "leqslant"), "<="),
    **dict.fromkeys(("approx", "sim"), "~"),
    **dict.fromkeys(("degree", "circ"), "°"),
    **dict.fromkeys(("mu", "textmu"), "μ"),
    **dict.fromkeys(("quad", "qquad"), " "),
    "times": "x",
    "cdot": "*",
    "lt": "<",
    "gt": ">",
    "pm": "±",
    "percent": "%",
}
_COMMAND = re.compile(r"\\([A-Za-z]+|.)", re.DOTALL)
_FRACTION = re.compile(r"\\[dt]?frac\{([^{}\\]{1,40})\}\{([^{}\\]{1,40})\}")
_HAN_LINES = re.compile(r"(?<=[\u3400-\u9fff])[ \t\r]*\n\s*(?=[\u3400-\u9fff])")
_HAN_GAP = re.compile("(?<=[\u3400-\u9fff]) +(?=[\u3400-\u9fff])")
_BOLD = re.compile(r"(?<![0-9])\*\*|\*\*(?![0-9])|__")
_CLOSING = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'", "<": ">"}
# An ASCII text without these is in normal form after one pass.
_DRESS = frozenset("\\$*_`#")
_EDGE = " \t\r\n.!;,:"
# In a longer text any answer can be found; the limit also bounds what every rule below can cost.
LIMIT = 400


def clean(text: str) -> str:
    """The surface normal form of at most 400 characters of text."""
    if text.isascii() and text.isalnum():
        return text
    text = text[:LIMIT]
    if text.isascii() and _DRESS.isdisjoint(text):
        return strip_edges(" ".join(text.split()))
    while True:
        shorter = _once(text)
        if shorter == text:
            return text
        text = shorter


def _once(text: str) -> str:
    if not text.isascii():
        text = _unicode(" ".join(_HAN_LINES.sub(",", text).split()))
    if "\\" in text or "$" in text:
        text = _unwrap_latex(text)
    return strip_edges(_unwrap_markdown(" ".join(text.split())))


def _unicode(text: str) -> str:
    # Superscripts and vulgar fractions first: compatibility folding would turn 10⁹ into 109 and 2½ into 21/2.
    text = _SUPERSCRIPT.sub(lambda run: "^" + run.group().translate(_FROM_SUPERSCRIPT), text)
    for sign, plain in _VULGAR.items():
        if sign in text:
            text = text.replace(sign, f" {plain} ")
    text = unicodedata.normalize("NFKC", text.translate(_PLAIN)).translate(_PLAIN)
    return _HAN_GAP.sub("", "".join(char for char in text if unicodedata.category(char) != "Cf"))


def _unwrap_latex(text: str) -> str:
    text = _FRACTION.sub(r"\1/\2", text.replace("{,}", ","))
    text = _COMMAND.sub(_command, text)
    if "\\" not in text:
        text = text.replace("{", "").replace("}", "")
    return text.replace("$", "").replace("^°", "°")


def _command(match: re.Match[str]) -> str:
    name = match.group(1)
    if name in ("%", "_", "&", "#", "{", "}"):
        return name if name in "%_&#" else ""
    if name in (",", ";", ":", " ", "!", "\\"):
        return " "
    if name in ("(", ")", "[", "]"):
        return ""
    return _LATEX.get(name, match.group())


def _unwrap_markdown(text: str) -> str:
    if "**" in text or "__" in text or "`" in text:
        text = _BOLD.sub("", text).replace("`", "")
    if text.startswith("#"):
        text = text.lstrip("# ")
    while len(text) > 2 and text[0] in "*_" and text[-1] == text[0]:
        text = text[1:-1].strip()
    return text


def strip_edges(text: str) -> str:
    """Without final stops and without quotes or brackets around the whole text."""
    if text and text[-1].isalnum() and text[0].isalnum():
        return text
    while True:
        text = text.strip().rstrip(_EDGE)
        if len(text) > 2 and text[-1] == _CLOSING.get(text[0]) and _wraps(text):
            text = text[1:-1]
        elif not text or not text[-1].isspace():
            return text


def _wraps(text: str) -> bool:
    # True when the first bracket closes at the very end, so that "(a) and (b)" is left alone.
    opening, closing = text[0], text[-1]
    if opening == closing:
        return opening not in text[1:-1]
    depth = 0
    for index, char in enumerate(text):
        depth += (char == opening) - (char == closing)
        if depth == 0:
            return index == len(text) - 1
    return False
