"""A corpus to a better one."""
