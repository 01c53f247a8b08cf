"""One file for each type of answer: reads a response, holds it against the gold. Words and numbers are read beside it."""
