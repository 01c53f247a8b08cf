"""The benchmarks of the paper, one line each: which cards they are, how they are asked, kept, scored and shown."""
