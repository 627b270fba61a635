"""Speed and memory on named workloads, in one table. Takes some minutes on two cores."""

from benchmarks import faults, memory, throughput
from benchmarks.command import command

if __name__ == "__main__":
    command(__doc__, memory.BENCHMARK, throughput.BENCHMARK, faults.BENCHMARK)
