"""One file for each reward: score(sample, completion) -> Score, and EXAMPLES. When an answer is right is said in verify/."""
