"""Programs around clients, one per client and all with the same two commands (compat/run.py)."""
