"""Rows of other corpora, written anew: fewer, without their traces, with wrong labels, reworded, or without what the picture shows."""
