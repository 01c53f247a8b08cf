"""A second family, as unlike the first as it gets: transformers' InternVL, whose pictures are tiles, whose positions are plain."""
