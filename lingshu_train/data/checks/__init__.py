"""Cards held against their data, against each other and against benchmarks. Nothing here changes data."""
