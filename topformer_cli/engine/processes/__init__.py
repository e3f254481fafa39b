"""Several processes that train one network: where each stands, what they share, how they end."""
