"""Readers of a run's ledger, one file each, in processes of their own. Nothing here can reach a training process."""
