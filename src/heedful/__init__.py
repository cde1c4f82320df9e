"""Learning from feedback: judgements of AI outputs in, calibrated preferences, next questions and better systems out."""
