"""Supervised fine-tuning: what is its alone. The trunk lives in training/."""
