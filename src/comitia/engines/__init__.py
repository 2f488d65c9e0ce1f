"""Engines order transactions into blocks and keep them: `embedded` does so in one process, in one SQLite file."""
