"""Start the workers of a run, send them requests with a deadline, and end them."""
