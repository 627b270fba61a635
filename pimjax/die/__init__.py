"""A physical chip: what stands where on it, and its defects."""
