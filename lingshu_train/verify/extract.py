"""Where the answer stands in a response: thinking removed, then one block, one box, one heading, or plain
text.

    response := junk? think? region        everything up to the last </think> is thinking
    region   := prelude block tail         block := <answer> text </answer>, exactly one
              | prelude \\boxed{text} tail  exactly one box
              | prelude "### Final Answer:" line tail
              | plain text                 (lenient policy only, resolved by `verdict`)

One flat scan for tags and one for braces: linear in the length of the response.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lingshu_train.verify.text.normal import LIMIT

_TAG = re.compile(r"<\s{0,2}([/／]?)\s{0,2}(think|answer)\s{0,2}>", re.IGNORECASE)
_WIDE = str.maketrans("＜＞", "<>")
_SPECIAL = re.compile(r"<\|[^|<>]{1,40}\|>")
_BOX = re.compile(r"\\f?boxed ?\{")
_BRACE = re.compile(r"[{}]")
_HEADING = re.compile(
    r"(?:# ?|\*\*)(?:the )?final (?:answer|response)[*: ：]{0,5}|最终答案 ?[:：]", re.IGNORECASE
)
_OPENING = re.compile(
    r"(?:\*\*)?(?:the )?(?:answer|答案) ?(?:\*\*)?[:：]([^\n]+)\n[ \t\r]*\n(?=\s*\S)", re.IGNORECASE
)
_WORD = re.compile(r"\w")


class Extract(NamedTuple):
    """The text taken as the answer and what surrounds it; `status` is empty unless the response is
    unreadable.
    """

    form: str
    text: str = ""
    status: str = ""
    prelude: str = ""
    tail: str = ""


class Boxed(NamedTuple):
    """One balanced \\boxed{content} and where it stands."""

    start: int
    end: int
    content: str


def extract(response: str) -> Extract:
    """Find the one place that states the answer, or name why there is none. Form "plain": no mark was
    found.
    """
    if "＜" in response:
        response = response.translate(_WIDE)
    if "<|" in response:
        response = _SPECIAL.sub("", response)
    start, status, tags = _scan(response)
    if status:
        return Extract("none", status=status)
    region = response[start:]
    if "<!--" in region:
        return Extract("none", status="hidden_text")
    if tags:
        return _block(response, start, tags)
    if "boxed" in region:
        return _boxed(region)
    headings = list(_HEADING.finditer(region))
    if headings:
        return _headed(region, headings)
    return Extract("plain", region.strip()) if _WORD.search(region) else Extract("none", status="empty")


def _scan(response: str) -> tuple[int, str, list[re.Match[str]]]:
    """Where the last thinking ends, why what follows is no answer, and the answer tags that follow.

    "truncated": thinking never ends. "misplaced_block": an answer stands before or between thinking.
    """
    if "<" not in response:
        return 0, "", []
    start, inside, thought = 0, False, False
    outside: list[re.Match[str]] = []
    for found in _TAG.finditer(response):
        if found.group(2)[0] in "aA":
            if not inside:
                outside.append(found)
        elif not found.group(1):
            inside = thought = True
        else:
            if not inside and not thought:
                # A template may have written <think> already: all before its end is thinking.
                outside = []
            start, inside, thought = found.end(), False, True
            if outside:
                return start, "misplaced_block", []
    return start, "truncated" if inside else "", outside


def thinking(response: str) -> str:
    """What stands before the last </think>, without the tags; empty where there is none."""
    end = 0
    for found in _TAG.finditer(response):
        if found.group(2).lower() == "think" and found.group(1):
            end = found.start()
    return _TAG.sub(" ", response[:end]).strip()


def boxes(text: str) -> list[Boxed] | None:
    """Every outermost \\boxed{...} of a text, or None where braces do not balance."""
    found: list[Boxed] = []
    position = 0
    while opening := _BOX.search(text, position):
        depth = 1
        for brace in _BRACE.finditer(text, opening.end()):
            depth += 1 if brace.group() == "{" else -1
            if depth == 0:
                found.append(Boxed(opening.start(), brace.end(), text[opening.end() : brace.start()]))
                position = brace.end()
                break
        if depth:
            return None
    return found


def _block(response: str, start: int, tags: list[re.Match[str]]) -> Extract:
    if len(tags) != 2:
        return Extract("tag", status="several_blocks" if len(tags) > 2 else "malformed")
    opening, closing = tags
    if opening.group(1) or not closing.group(1):
        return Extract("tag", status="malformed")
    text, status = _inner(response[opening.end() : closing.start()])
    prelude, tail = _before(response[start : opening.start()]), response[closing.end() :].strip()
    return Extract("tag", text, status, prelude, tail)


def _boxed(region: str) -> Extract:
    found = boxes(region)
    if found is None:
        return Extract("box", status="malformed")
    if len(found) != 1:
        return Extract("plain", region.strip()) if not found else Extract("box", region, "several_boxes")
    box = found[0]
    text, status = _inner(region[box.start : box.end])
    # Closing marks of a formula or of bold text belong to the box, not to what follows it.
    tail = region[box.end :].lstrip("$*").removeprefix("\\]").removeprefix("\\)").strip()
    return Extract("box", text, status, _before(region[: box.start].rstrip("$* ")), tail)


def _headed(region: str, headings: list[re.Match[str]]) -> Extract:
    if len(headings) > 1:
        return Extract("heading", status="several_blocks")
    after = region[headings[0].end() :].strip()
    line, _, tail = after.partition("\n")
    text, status = _inner(line)
    prelude = _before(region[: headings[0].start()].rstrip("#* "))
    return Extract("heading", text, status, prelude, tail.strip())


def opening(text: str) -> Extract | None:
    """A plain text that opens with an answer in a paragraph of its own: "Answer: B", an empty line, an explanation."""
    found = _OPENING.match(text)
    if found is None:
        return None
    inner, status = _inner(found.group(1).strip("* "))
    return Extract("heading", inner, status, tail=text[found.end() :].strip())


def _before(text: str) -> str:
    """The text before a mark. Of the white space between them only a line break is kept, since it ends a sentence."""
    prelude = text.strip()
    return f"{prelude}\n" if prelude and "\n" in text[len(text.rstrip()) :] else prelude


def _inner(text: str) -> tuple[str, str]:
    """The text of a block with its box, if any, unwrapped."""
    text = text.strip()
    if len(text) > LIMIT:
        return "", "too_long"
    if "boxed" in text:
        found = boxes(text)
        if found is None or len(found) > 1 or any("boxed" in box.content for box in found):
            return text, "malformed" if found is None else "several_boxes"
        if found:
            box = found[0]
            before = text[: box.start]
            if before.strip()[-1:].isdigit():
                return text, "malformed"
            text = f"{before} {box.content} {text[box.end :]}".strip()
    if not _WORD.search(text):
        return "", "empty"
    return text, ""
