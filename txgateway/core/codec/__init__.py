"""The codec: values to Thrift bytes and back."""
