"""A trained model for everyone, proven equal. What is sent away is decided in hub/."""
