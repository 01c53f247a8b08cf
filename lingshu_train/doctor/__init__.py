"""Is this machine ready, and for which recipe: software, machine, hub. Loads no torch, sends nothing, shows no token."""
