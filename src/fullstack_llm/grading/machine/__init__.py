"""Use the machine's resources: temporary folders, memory, cgroups; and name the errors of the grader."""
