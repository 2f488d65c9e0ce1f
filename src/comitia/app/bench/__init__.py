"""Measurements that anyone can rerun: whole requests over real processes, and what sharing is worth."""
