"""Numbers about numbers: confidence intervals."""
