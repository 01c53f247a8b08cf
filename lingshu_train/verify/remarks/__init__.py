"""What may stand beside an answer and leave it right: before, after, a reason, an explanation. Answers are read in types/."""
