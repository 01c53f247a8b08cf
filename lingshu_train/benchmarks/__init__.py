"""One file per way of measuring a model."""
