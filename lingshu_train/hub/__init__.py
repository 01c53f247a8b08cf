"""Model card, staging by allow-list, push."""
