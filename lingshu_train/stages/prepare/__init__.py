"""Data cards to a corpus. Reading and writing live in data/."""
