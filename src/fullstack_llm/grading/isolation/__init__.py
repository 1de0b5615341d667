"""How a worker is confined: what it may read, and the command line that starts it so."""
