"""Qwen3-VL: learned and rotary positions in the vision tower, features of several depths, interleaved M-RoPE."""
