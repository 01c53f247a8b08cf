"""Faults done to tiny runs on purpose, and what became of each: `lingshu drill`. Trains nothing that anybody keeps."""
