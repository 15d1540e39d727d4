"""Tests, and the programs that need the same real parts: the demonstration and its harness."""
