"""One file for each layout of rows on disk. What all layouts need lives one room up."""
