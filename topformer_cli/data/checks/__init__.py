"""Looks for what is wrong or odd in a set, prepared or as people have it on disk."""
