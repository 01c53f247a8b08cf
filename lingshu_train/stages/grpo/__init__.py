"""Reinforcement learning with verifiable rewards: what is GRPO's alone. The trunk lives in training/."""
