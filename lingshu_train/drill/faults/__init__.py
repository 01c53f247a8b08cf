"""What is done to a run: one file a family, each with `FAULTS`. How an end is judged is said in `judging.py`, once for all."""
