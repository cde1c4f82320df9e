"""What benchmarks/conformance.py is made of: worlds, engines and planted bugs."""
