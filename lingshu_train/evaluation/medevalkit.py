"""MedEvalKit's own verdict on an answer, its defects included, so that published tables can be compared with ours.

Its rules as its behaviour shows them (commit 9b12e3b): an answer to a choice is looked for by letter and text, and else the
most similar option is taken, whatever was said. A yes or no is looked for as a part of the text. Free answers need an exact
match; its language-model judge is not part of this.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from lingshu_train.record import Sample

DEFECTS: Mapping[str, str] = {
    "most_similar": "a choice that is not read is the most similar option: an empty answer is the first one",
    "first_point": "a choice is cut at its first point: 2.5 cm is 2",
    "part_of_a_word": "yes and no are looked for as parts of words: nodule, now and unknown hold a no",
    "exact_match": "a closed or open answer must equal the gold but for points and capitals",
    "random_guess": "of MMMU a choice that is not read is drawn by chance: a refusal is right in a quarter of all draws",
    "empty_crashes": "an empty open answer ends its evaluation with an error",
    "lists_never_match": "several letters must stand as the gold has them, without a sign between them",
}
"""What its rules get wrong, by name."""
_ANCHORS = ("answer is", "answer:", "final answer", "answer is:", "答案:", "答案是")
_STOPS = ",.!?;:'"
_FEW_WORDS = 5


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether MedEvalKit counts an answer as right. None: it ends with an error there, and cannot score it."""

    correct: bool | None
    defect: str = ""


def judge(sample: Sample, response: str, between: str = ". ") -> Ruling:
    """The verdict of the rule that MedEvalKit applies to such a question. `between`: what it shows between an option's letter
    and its text."""
    if sample.options and sample.card.startswith("mmmu"):
        return mmmu(list(sample.options.values()), sample.answer.strip(), response)
    if sample.options:
        listed = [f"{letter}{between}{text}" for letter, text in sample.options.items()]
        return choice(listed, sample.answer.strip().upper(), response)
    if sample.question_type == "yes_no" and not sample.card.startswith("slake"):
        return judgement(sample.answer, response)
    if sample.task == "closed_vqa" or sample.question_type == "yes_no":
        return closed(sample.answer, response)
    return opened(sample.answer, response)


def choice(listed: Sequence[str], gold: str, response: str) -> Ruling:
    """`listed`: the options as they were shown, such as "A. CT"; `gold`: its letter or letters."""
    said, defect = _chosen([one.lower() for one in listed], response)
    return Ruling(said == gold.lower(), defect)


def judgement(gold: str, response: str) -> Ruling:
    """Yes or no: exactly one of the two stands somewhere in the text, and it is the gold."""
    text = parsed(response.lower()).replace("\n", "").replace(".", "")
    yes, no = "yes" in text, "no" in text
    return Ruling((yes != no) and gold.strip().lower() in text, "part_of_a_word")


def closed(gold: str, response: str) -> Ruling:
    """A word or a phrase: equal but for capitals, points and line breaks."""
    return Ruling(_plain(_marked(response.lower())) == _plain(gold.lower()), "exact_match")


def opened(gold: str, response: str) -> Ruling:
    """A free answer: equal but for capitals and the space around it. An answer without a word ends in an error."""
    if not re.search(r"\w", response):
        return Ruling(None, "empty_crashes")
    return Ruling(_marked(response.lower()).strip() == gold.strip().lower(), "exact_match")


def mmmu(listed: Sequence[str], gold: str, response: str) -> Ruling:
    """MMMU's choices; `listed`: texts without letters. None: a letter is drawn by chance there, which is no verdict."""
    letters = [chr(ord("A") + place) for place in range(len(listed))]
    text = f" {_marked(response).strip(_STOPS)} "
    found = {letter: text.rfind(f"({letter})") for letter in letters}
    if max(found.values(), default=-1) < 0:
        found = {letter: text.rfind(f" {letter} ") for letter in letters}
    if max(found.values(), default=-1) < 0 and len(text.split()) > _FEW_WORDS:
        found = {letter: text.lower().rfind(one.lower()) for letter, one in zip(letters, listed, strict=True)}
    best = max(found, key=lambda letter: found[letter])
    return Ruling(None, "random_guess") if found[best] < 0 else Ruling(best == gold.upper())


def parsed(text: str) -> str:
    """What is taken for the answer in a text of small letters: a box, a tag, or what follows the last anchor."""
    if "\\boxed{" in text:
        return _boxed(text)
    tag = re.search(r"<answer>(.*?)</answer>", text, re.DOTALL)
    if tag:
        return tag.group(1).strip()
    for anchor in _ANCHORS:
        if anchor in text:
            text = text.rpartition(anchor)[2]
    return text.strip()


def _marked(text: str) -> str:
    """The text of a box or a tag, else the whole."""
    return parsed(text) if "\\boxed{" in text or ("<answer>" in text and "</answer>" in text) else text


def _boxed(text: str) -> str:
    """The last box to its closing brace; "none" where it has none."""
    start = text.rfind("\\boxed{") + len("\\boxed{")
    depth = 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return text[start:place].strip()
    return "none"


def _chosen(listed: Sequence[str], response: str) -> tuple[str, str]:
    """The letter that is read in a response, and which defect decided it."""
    letters = [chr(ord("a") + place) for place in range(len(listed))]
    text = response.lower()
    paragraphs = text.split("\n\n")
    for part in (paragraphs[0], paragraphs[-1]):
        if part.strip() in letters and len(paragraphs) > 1:
            return part.strip(), ""
    text = parsed(text).replace("\n", " ").strip()
    cut = text.partition(".")[0].strip()
    before, _, after = cut.rpartition(":")
    cut = before.strip() if before.strip() in letters else after.strip()
    if cut in letters:
        return cut, "first_point" if "." in text.rstrip(".") else ""
    if len(cut) > 1 and set(cut) <= set(letters) and list(cut) == sorted(set(cut)):
        return cut, "lists_never_match"
    texts = [re.sub(r"^[a-z][.:] ?", "", one) for one in listed]
    if cut in texts:
        return letters[texts.index(cut)], ""
    shares = [SequenceMatcher(None, one, text).ratio() for one in listed]
    return letters[shares.index(max(shares))], "most_similar"


def _plain(text: str) -> str:
    return text.replace(".", "").replace("\n", "")
