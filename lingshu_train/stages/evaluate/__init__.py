"""Answers of models on held-out samples, judged. What needs no stage lives in evaluation/."""
