"""What may stand beside an answer and leave it right: before it, after it, a reason, an explanation."""
