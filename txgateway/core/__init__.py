"""What thinks: values in, values out; no Twisted, no socket, no clock."""
