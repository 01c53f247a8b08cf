"""The heavy code: thin uses of TRL over DeepSpeed. The only importers of trl and deepspeed."""
