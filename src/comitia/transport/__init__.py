"""Carries opaque payloads between nodes: the contract, Zenoh over mutual TLS, an in-memory hub for tests."""
