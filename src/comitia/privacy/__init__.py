"""Differential privacy (III-D.1): what may leave a provider, how much noise it has paid, and what that adds
up to.

`terms` says what is promised, `noise` and `samplers` draw exact integer noise, `mechanisms` turn private
integers into `released` values with a receipt, `accountant` adds receipts up and `budget` decides, by a
`book` of what was asked for and its owner's `limits`, whether one more may be made.
"""
