"""Live models of three libraries, wrapped as two towers."""
