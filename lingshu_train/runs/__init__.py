"""What a run leaves behind: stage, manifest, ledger, checkpoint, results. What is done with a run lives in the rooms above."""
