"""One file for each type of answer: what beside the bare answer leaves it right. Found by the name of the type."""
