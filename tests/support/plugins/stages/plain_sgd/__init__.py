"""A kind of the user's own: plain stochastic gradient descent on the texts of a corpus."""
