"""What holds of every machine: its cores, clocks and heat, before a measurement and during it."""
