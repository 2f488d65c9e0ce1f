"""`python -m comitia.app`: the command line, for starting nodes with the interpreter that runs."""

from comitia.app.cli import entry

entry()
