"""The functions of rules that need more than a line."""

from __future__ import annotations

import re
from collections.abc import Callable

import phonenumbers

from .results import Problem, Value

# Anchored by fullmatch. It can not run away: the classes left and right of each fixed character share it with nobody
# but the dot, whose last place is found by going back at most eight letters.
_EMAIL = re.compile("[A-Za-z0-9_\\-.\u4e00-\u9fa5]+@[A-Za-z0-9_\\-.]+\\.[A-Za-z]{2,8}")

_PHONE_PROBLEMS = {
    phonenumbers.NumberParseException.INVALID_COUNTRY_CODE: "invalid country code",
    phonenumbers.NumberParseException.TOO_LONG: "the string supplied is too long to be a phone number",
    phonenumbers.NumberParseException.TOO_SHORT_AFTER_IDD: (
        "phone number had an IDD, but after this was not long enough to be a viable phone number"
    ),
    phonenumbers.NumberParseException.TOO_SHORT_NSN: ("the string supplied is too short to be a phone number"),
}


def email(*arguments: Value) -> bool | Problem:
    if len(arguments) != 1:
        return Problem("number of parameters of email function is not one")
    (address,) = arguments
    if not isinstance(address, str):
        return Problem("parameter of email function is not string type")
    return True if _EMAIL.fullmatch(address) else Problem("email format is incorrect")


def phone(*arguments: Value) -> bool | Problem:
    if not 1 <= len(arguments) <= 2:
        return Problem("the number of parameters of phone function is not one or two")
    number, region = arguments[0], arguments[1] if len(arguments) == 2 else "CN"
    if not isinstance(region, str):
        return Problem("the 2nd parameter of phone function is not string type")
    if not isinstance(number, str):
        return Problem("the 1st parameter of phone function is not string type")
    try:
        parsed = phonenumbers.parse(number, region or "CN")
    except phonenumbers.NumberParseException as error:
        return Problem(_PHONE_PROBLEMS.get(error.error_type, "the phone number supplied is not a number"))
    return True if phonenumbers.is_valid_number(parsed) else Problem("phone format is incorrect")


def matching(found: Callable[[str], bool]) -> Callable[[Value], bool]:
    """``regexp`` over any value: what is no text never matches."""
    return lambda value: isinstance(value, str) and found(value)
