"""InternVL3 in transformers' own layout (`-hf`): tiles with a thumbnail, a Qwen2.5 behind them, plain positions."""
