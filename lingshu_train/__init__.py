"""Reproducible SFT and RLVR training of medical vision-language models."""

__version__ = "0.2.0"
