"""A small model from nothing."""
