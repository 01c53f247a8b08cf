"""Everything about what a run leaves behind: manifest, ledger, checkpoint."""
