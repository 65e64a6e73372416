"""The platform under faults: robots play on while processes and engines are killed, then everything is checked."""
