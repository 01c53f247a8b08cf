"""Reproducible SFT and RLVR training of medical vision-language models. docs/design.md says which room is for what."""

__version__ = "0.3.0.dev0"
