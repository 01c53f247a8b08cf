"""What a run looks like to people: one HTML page, one table for the terminal. It measures nothing and writes nothing else."""
