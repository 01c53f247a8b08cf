"""A corpus to a better one. The steps live in curate/."""
