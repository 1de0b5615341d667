"""What a worker does to itself before it runs a cell: namespaces, Landlock, seccomp, resource limits."""
