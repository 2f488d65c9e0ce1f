"""The verbs of the command line, a module a subject; each is imported only when it is called."""
