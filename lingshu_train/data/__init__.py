"""From cards to samples: cards, row formats, images, corpora, order, chat."""
