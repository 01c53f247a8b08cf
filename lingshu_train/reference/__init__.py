"""What can be written in a recipe and a card, told from the code itself: pages, and one key at a time. No torch."""
