"""The same faults against plain scripts over transformers and TRL, as documented there. Nothing of ours trains here."""
