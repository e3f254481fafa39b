"""Weight files of others: how they are read without running anything in them, and their names."""
