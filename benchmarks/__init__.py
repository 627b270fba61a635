"""Speed and memory on named workloads: `python -m benchmarks` runs all and prints one table."""
