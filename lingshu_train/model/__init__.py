"""Models: what may be asked of an architecture (shape, family), who answers (families/), and what is written once over that."""
