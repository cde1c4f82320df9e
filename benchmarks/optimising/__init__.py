"""What benchmarks/over_optimisation.py is made of: draws dealt anew, rewards, engines and the figure."""
