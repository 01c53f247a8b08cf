"""How often a model answers each question of a corpus rightly, and the corpus without those it always or never does."""
