"""What the grader asks of the machine: temporary folders, memory, control groups; and the errors that follow."""
