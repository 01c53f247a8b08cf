"""Answers of models on held-out samples, judged."""
