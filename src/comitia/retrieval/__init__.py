"""III.B: finding the providers whose data fit a request, from private profiles on the ledger."""
