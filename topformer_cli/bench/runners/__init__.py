"""One module for each program that can run an exported model on a phone."""
