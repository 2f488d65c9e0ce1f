"""III-D.2, Proof of Training Quality: who sits in a committee, whose model is any good, who leads.

Everything here is a pure function of integers on the ledger, so that every member computes the same answer.
"""
