"""Finds sets as people have them on disk."""
