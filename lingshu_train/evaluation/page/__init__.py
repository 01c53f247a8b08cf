"""An evaluation as one HTML page that needs no network and no other file: figures, floors, tests, and every sample."""
