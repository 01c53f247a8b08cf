"""A stranger's files to a card and a recipe: what they are, what their columns mean, how their pictures look. No torch, and
nothing asked: the dialogue is cli/_dialogue.py. Nothing is copied or changed here either."""
