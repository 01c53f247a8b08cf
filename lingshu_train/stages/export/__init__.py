"""A trained model for everyone."""
