"""Latency on a phone or on this host; knows paths, a card, an input and a reference output."""
