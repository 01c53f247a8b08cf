"""How data is got, one file for each `source.kind` of a card: `offer(card)` lists it, `fetch(job)` gets it."""
