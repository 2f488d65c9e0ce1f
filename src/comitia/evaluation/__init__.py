"""Section IV: data sets, how they are shared out among providers, and what learning on them reaches."""
