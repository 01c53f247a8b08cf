"""What stands in a stored table of lengths, for those who read one without a tokenizer. No torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.int32]
PROMPT, WHOLE, TAUGHT, ANSWERS, PATCHES = range(5)
"""Columns of a table: tokens of all that stands before the last answer, with those of pictures; tokens of the whole row as it
is trained; those of them that are taught; the answers that these are of; patches of the vision tower."""
FILES = "lengths-*.npy"
"""Tables beside a corpus: one for each tokenizer, template, system prompt and pixel budget, whose hash is in the name."""
