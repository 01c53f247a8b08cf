"""One folder per architecture, found by its name (docs/families.md); with an underscore what several share."""
