"""Benchmarks: `make bench`. bench/README.md says what is measured and what came out."""
