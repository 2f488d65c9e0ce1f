"""The protocol under a seeded world: the same driver and roles, a virtual clock, network and disk."""
