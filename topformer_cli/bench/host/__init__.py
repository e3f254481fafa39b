"""This machine as a place to measure on, and the engines of its Python."""
