"""Numbers and units, read exactly. When a quantity is the right answer is said in types/."""
