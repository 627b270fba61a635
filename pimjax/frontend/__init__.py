"""From float networks to plans and images."""
