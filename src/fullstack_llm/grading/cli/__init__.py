"""Commands of the grader's command line, one module for each."""
