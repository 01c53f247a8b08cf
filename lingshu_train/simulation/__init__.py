"""One step of a stage at its true sizes, without a GPU and without weights: `lingshu plan --simulate`. Trains nothing."""
