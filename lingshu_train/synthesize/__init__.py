"""Rows made by a teacher model: one file a pipeline, prompts in `prompts/`. What may go over a line, `rollouts` knows."""
