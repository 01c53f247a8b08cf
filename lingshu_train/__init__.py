"""Reproducible SFT and RLVR training of medical vision-language models."""

__version__ = "0.3.0.dev0"
