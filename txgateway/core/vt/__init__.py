"""``vt.*``: the rules of thrift-gen-validator, as its generated code applies them.

They are independent of ``api.vd`` and checked after it. Where the plugin gives up, or
writes Go that does not compile, the IDL is refused. Where its code would panic, the rule
is left out or fails; a comment says which, at the place.
"""

from .walk import compile_validator

__all__ = ["compile_validator"]
