"""One file per reward: score(sample, completion) -> Score, and EXAMPLES."""
