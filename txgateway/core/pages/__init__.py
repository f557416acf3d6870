"""What the admin pages show, as plain values: gathered by one process or several, then told to people."""
