"""Options that name rows of a run, for verbs that look for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from lingshu_train.errors import UsageError

if TYPE_CHECKING:
    from lingshu_train.tracing.matching import What

SampleId = Annotated[str, typer.Option("--sample", metavar="ID", help="The sample of this id.")]
ImageFile = Annotated[
    str, typer.Option("--image", metavar="FILE", help="Every sample with this picture; a digest will do.")
]
PatientId = Annotated[
    str, typer.Option("--patient", metavar="ID", help="Every sample of this group: a patient, a volume.")
]
CardOf = Annotated[str, typer.Option("--card", metavar="NAME", help="Every sample of this data card.")]


def one_of(verb: str, **asked: str) -> tuple[What, str]:
    """The one option that was given, and its value. UsageError (64): none, or several."""
    named = [(what, value) for what, value in asked.items() if value]
    if len(named) != 1:
        raise UsageError(f"{verb}: name one of --sample, --image, --patient and --card")
    what, value = named[0]
    return cast("What", what), value
