"""Contenders of benchmarks/training.py, each run by a process of its own (`python -m trainers`)."""
