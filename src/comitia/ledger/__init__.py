"""The permissioned ledger (II-B, Fig. 4): transactions, blocks, proofs and the replicated state machine.

Everything here is a pure function of its arguments: no clock, no floats, no files, no randomness of its own. An
engine (`comitia.engines`) orders transactions and calls `application.Application`; every node that applies the same
blocks reaches the same state root.
"""
