"""Compiled programs that may become runners: what they are, whether they fit, where they lie."""
