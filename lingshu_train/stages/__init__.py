"""One folder for each kind of stage: config.py without torch, run.py. What several kinds share lives in training/ and data/."""
