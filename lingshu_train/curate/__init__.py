"""From a corpus to a better one: one file a step. A step decides and says why; what it decides is never deleted."""
