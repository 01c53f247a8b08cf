"""The trunk of every training stage over TRL: exact resume, order, batches, progress. One kind's own lives in stages/."""
