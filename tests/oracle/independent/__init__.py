"""The mathematics of training once more, from the papers, in float64, each sample alone. Reads files; imports nothing of the
package it is held against, so that a mistake would have to be made twice to stay unseen.

Qwen2.5-VL (arXiv:2502.13923), M-RoPE (arXiv:2409.12191), AdamW (arXiv:1711.05101), GRPO (arXiv:2402.03300), Dr. GRPO
(arXiv:2503.20783), DAPO (arXiv:2503.14476).
"""
