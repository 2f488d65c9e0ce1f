"""What a node keeps on disk: its privacy budget, state, model cache and keys."""
