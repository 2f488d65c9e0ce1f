"""The command line, configuration and the process that runs a node."""
