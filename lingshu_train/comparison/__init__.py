"""Runs side by side: what they measured, how far they differ, and what else differs. How one run looks is report's matter."""
