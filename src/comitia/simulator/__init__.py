"""The same roles under a seeded clock, network and disk."""
