"""Gemma 3, the architecture of MedGemma: every picture a square of 256 tokens that see each other, layers with windows."""
