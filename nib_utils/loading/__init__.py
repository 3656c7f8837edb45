"""CLIPs by name, from three libraries, from files that are read and never run."""
