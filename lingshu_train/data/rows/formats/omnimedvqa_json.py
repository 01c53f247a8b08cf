"""OmniMedVQA: `QA_information/Open-access/*.json`; `option_A` to `option_D`, answer text in `gt_answer`.

Of two equal options the first stays and the row is noted: of both only one letter could be right, and nothing says which.
"""

from __future__ import annotations

from collections.abc import Iterator

from lingshu_train.data.rows import published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.embedded import picture
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row
from lingshu_train.record import Sample


class Fields(rowlib.TableFiles):
    """Where the pictures lie."""

    images: str = "."
    """Folder that `image_path` starts from."""

    def columns(self) -> dict[str, rowlib.Content]:
        texts = ("question", *(f"option_{letter}" for letter in "ABCD"), "gt_answer")
        return {"image_path": "image", **dict.fromkeys(texts, "text")}


TWICE = "an option that stood twice"

lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    image, gold = picture(line, "image_path", origin.root / fields.images), line.text("gt_answer")
    given = {letter: text for letter in "ABCD" if (text := line.optional(f"option_{letter}"))}
    first = {text: letter for letter, text in reversed(given.items())}
    options = {letter: text for letter, text in given.items() if first[text] == letter}
    if len(options) < 2:
        raise line.error("option_A", f"needs at least two options, got {len(options)}")
    letters = [letter for letter, text in options.items() if text == gold]
    if not letters:
        raise line.error("gt_answer", f"{gold!r} is none of the options: {', '.join(options.values())}")
    sample = Sample(
        id=line.optional("question_id"),
        card=origin.card,
        split=origin.split,
        task=line.optional("question_type") or "mcq",
        question=line.text("question"),
        question_type="mcq",
        answer=letters[0],
        options=options,
        group=image.name,
        modality=line.optional("modality_type") or line.optional("modality"),
    )
    yield Row(sample=sample, images=(image,), notes=(TWICE,) if len(options) < len(given) else ())
