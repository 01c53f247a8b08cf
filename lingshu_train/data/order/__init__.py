"""Which sample is the n-th, by arithmetic: permutation, mixture, packing, selection. Reads no pictures."""
