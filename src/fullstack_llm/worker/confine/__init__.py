"""Confine a worker's own process before it runs a cell: namespaces, Landlock, seccomp, rlimits."""
