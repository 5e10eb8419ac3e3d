"""What is measured: one module a workload, each with `NAME`, a size and `run`."""
