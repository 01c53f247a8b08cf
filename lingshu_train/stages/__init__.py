"""One file per kind of stage: its Config, and run(stage)."""
