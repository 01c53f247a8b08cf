"""Data cards to a corpus."""
