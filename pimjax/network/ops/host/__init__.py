"""Real numbers outside the chip: a float network as imported, and what no chip does itself."""
