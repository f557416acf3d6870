"""The Book service: a Thrift service on Twisted that registers itself, and the example of one."""
