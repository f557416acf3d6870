"""The language of ``api.vd``: text to a check."""

from .shapes import Access, Getter
from .syntax import RuleError, parse
from .tree import Rule

__all__ = ["Access", "Getter", "Rule", "RuleError", "parse"]
