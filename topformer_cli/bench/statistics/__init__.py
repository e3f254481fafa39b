"""What the rounds of a measurement come to, and whether they may be believed."""
