"""When a sample was trained on, told from the order alone, and what descends from it. No torch; nothing is written."""
