"""Benchmarks: workloads, baselines, report."""
