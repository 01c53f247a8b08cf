"""Whether what a reward accepted was right: who looks again, the bound on the rate of false answers, the queue of a person."""
