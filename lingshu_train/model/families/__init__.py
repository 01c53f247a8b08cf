"""One folder per architecture, found by its name; what a folder must hold is in model/family.py. Nothing else lives here."""
