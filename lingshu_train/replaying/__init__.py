"""Steps of a stage, run again from a checkpoint and compared with its ledger. Nothing is written into the run."""
