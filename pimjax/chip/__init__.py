"""Chips as data: what one TOML file says, checked, and the arithmetic it stands for."""
