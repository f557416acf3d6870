"""The document against the gateway: what it allows is taken, what it does not is refused, and answers fit it."""
