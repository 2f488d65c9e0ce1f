"""The process that runs a node: one thread, one queue, roles that say what to do and parts that do it."""
