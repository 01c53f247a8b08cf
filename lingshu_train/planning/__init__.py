"""From a recipe to a plan with every path decided, and what it will cost. No torch: a plan takes under a second."""
