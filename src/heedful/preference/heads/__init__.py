"""Rewards on features: heads that are fitted to comparisons and ratings of encoded outputs, behind one interface."""
