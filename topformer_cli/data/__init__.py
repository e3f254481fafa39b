"""Data sets: what they are, their one prepared form, and the batches that training reads."""
