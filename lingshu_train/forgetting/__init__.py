"""A run without withdrawn rows: what they reached, what is gone on from, what is erased, the certificate. How a stage passes
rows over is the stage's own business (training/, stages/)."""
