"""What a run looks like to people: one HTML page and one table for the terminal."""
