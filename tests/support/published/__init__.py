"""The publishers' own file trees, with made-up rows: in each module one function a card, of the card's name, writes what the
card's sources serve, as they serve it (archives packed, names and keys as published)."""
