"""From cards to samples in an order; a room for each step. What a model makes of a sample lives in model/ and training/."""
