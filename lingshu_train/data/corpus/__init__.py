"""A prepared corpus: Arrow rows, tar pictures, journal, lengths; written in parallel, opened at once. No order."""
