"""A small model from nothing. How one is made is its family's business."""
