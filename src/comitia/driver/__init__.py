"""Performs what roles decide: persist, then send. The same code in a node's process and in the simulator.

Nothing here does I/O: a node's ledger, store, budget, wire, clock and random generator are given to it (`ports`).
"""
