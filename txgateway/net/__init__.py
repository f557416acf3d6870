"""What waits: the Twisted shell moves bytes and keeps time, and decides nothing."""
