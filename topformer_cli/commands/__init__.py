"""One file a command: options, typed values, one call, print."""
