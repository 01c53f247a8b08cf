"""Qwen2.5-VL, the base of Lingshu: windowed vision tower, patch merger, M-RoPE. Nobody outside imports it."""
