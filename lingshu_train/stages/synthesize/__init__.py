"""A corpus to another, made by teacher models. The pipelines live in synthesize/."""
