"""Explain one request: each step as the gateway takes it, and why it comes to what it comes to.

Outcome and bytes are those of the plan, which is the gateway's own. Fields and rules are told
of anew, from the very descriptions that binders and checks are compiled from.
"""

from .ending import explain_ended, with_answer, with_pick
from .story import Explanation, page_of
from .telling import Clocks, Explained, Served, explain

__all__ = [
    "Clocks",
    "Explained",
    "Explanation",
    "Served",
    "explain",
    "explain_ended",
    "page_of",
    "with_answer",
    "with_pick",
]
