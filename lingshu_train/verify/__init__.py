"""Is this answer right? Pure, linear time, standard library only."""
