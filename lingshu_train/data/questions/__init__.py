"""Questions with checkable answers made from labels, masks and outlines. Drawn ones live in quickstart/."""
