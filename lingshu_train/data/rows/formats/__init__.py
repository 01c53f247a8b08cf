"""One file per row layout on disk."""
