"""`comitia demo`: the whole job with real processes on this machine, on real work orders."""
