"""One file for each way in which an answer earns what it should not: found(sample, completion) -> bool."""
