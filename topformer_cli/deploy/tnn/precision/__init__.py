"""Half precision: storage, simulation on the host, and rescaling that avoids overflow."""
