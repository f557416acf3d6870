"""Walks the bytes of a struct once, before anything decodes them: where it ends, and that it can be trusted.

The decoder behind this door does not check for the end of its data: short input
makes it read foreign memory, and eleven bytes can ask it for two thousand million
elements of no width. After a walk neither can happen. The walk is also the only way
to find where an unframed message ends, so it can stop where the bytes end and go on
when more have come; each byte is looked at once, however the network cuts them.
"""

from __future__ import annotations

import struct

from ..errors import WireError

STOP, STRING, STRUCT, MAP, SET, LIST = 0, 11, 12, 13, 14, 15

# Levels of structs and containers, the outermost struct included: Apache's and
# thriftpy2's limit, so what passes here is not refused one step later.
DEPTH = 64

_FIXED = [0] * 256  # Width of a value by its type; 0 if its bytes say so themselves.
for _kind, _width in {2: 1, 3: 1, 4: 8, 6: 2, 8: 4, 10: 8}.items():
    _FIXED[_kind] = _width
_LEAST = list(_FIXED)  # Fewest bytes that a value of this type takes; 0 for a type that does not exist.
for _kind, _width in {STRING: 4, STRUCT: 1, MAP: 6, SET: 5, LIST: 5}.items():
    _LEAST[_kind] = _width
_FIELD = [width and width + 3 for width in _FIXED]  # The same as _FIXED with the field's type and id in front.

_length = struct.Struct(">i").unpack_from
_list_head = struct.Struct(">Bi").unpack_from
_map_head = struct.Struct(">BBi").unpack_from


class Incomplete(WireError):
    """The bytes end before the struct does; nothing was wrong so far.

    :ivar needed: a length of the data below which going on is useless.
    """

    def __init__(self, message: str, needed: int) -> None:
        super().__init__(message)
        self.needed = needed


def walk(data: bytes | bytearray, start: int = 0, *, depth: int = DEPTH) -> int:
    """The offset behind the struct that begins at ``start``.

    :raises Incomplete: the bytes end before the struct does.
    :raises WireError: these bytes can never be a struct, whatever follows.
    """
    return Walk(start, depth=depth).resume(data)


class Walk:
    """One walk that may take several steps; ``data`` only ever grows between them.

    :ivar position: up to here all is well; it may lie behind the end of the data.
    """

    __slots__ = ("_depth", "_even", "_left", "_odd", "_stack", "position")

    def __init__(self, start: int = 0, *, depth: int = DEPTH) -> None:
        self.position = start
        self._depth = depth
        self._stack: list[tuple[int, int, int]] = []
        # Where we are: in a struct (left < 0), or in a container with so many values
        # left. A map counts its keys and values singly, so they take turns by parity.
        self._left = -1
        self._even = 0
        self._odd = 0

    def resume(self, data: bytes | bytearray) -> int:
        """The offset behind the struct; raises like :func:`walk`, and may be called again after an Incomplete.

        One loop over local variables, long on purpose: each message pays for it, and a
        call for every field would double the price.
        """
        position, stack, left, even, odd = self.position, self._stack, self._left, self._even, self._odd
        try:
            while True:
                if left < 0:
                    kind = data[position]
                    width = _FIELD[kind]
                    if width:
                        position += width
                        continue
                    at = position + 3
                    if kind == STRING:
                        (length,) = _length(data, at)
                        if length < 0:
                            raise _negative(kind, length, at)
                        position = at + 4 + length
                        continue
                    if kind == STOP:
                        position += 1
                        if not stack:
                            return position
                        left, even, odd = stack.pop()
                        continue
                elif left:
                    kind = odd if left & 1 else even
                    at = position
                    width = _FIXED[kind]
                    if width:
                        position += width
                        left -= 1
                        continue
                    if kind == STRING:
                        (length,) = _length(data, at)
                        if length < 0:
                            raise _negative(kind, length, at)
                        position = at + 4 + length
                        left -= 1
                        continue
                else:
                    left, even, odd = stack.pop()
                    continue
                inner = self._enter(kind, data, at)
                # The value counts as read here: its container goes on behind it.
                stack.append((left - 1 if left > 0 else left, even, odd))
                if len(stack) >= self._depth:
                    raise WireError(f"more than {self._depth} levels of structs and containers at byte {at}")
                left, even, odd, position = inner
        except (IndexError, struct.error):
            end = max(position, len(data))
            raise Incomplete(f"the bytes end inside a value, at byte {len(data)}", end + 1) from None
        finally:
            self.position, self._left, self._even, self._odd = position, left, even, odd

    def _enter(self, kind: int, data: bytes | bytearray, at: int) -> tuple[int, int, int, int]:
        """What is to be read inside a struct or container: how many values, of which types in turn, from where on."""
        if kind == STRUCT:
            return -1, 0, 0, at
        if kind == MAP:
            key, value, count = _map_head(data, at)
            values, begin = 2 * count, at + 6
        elif kind in (LIST, SET):
            key, count = _list_head(data, at)
            value, values, begin = key, count, at + 5
        else:
            raise WireError(f"type {kind} at byte {at} does not exist")
        if count < 0:
            raise _negative(kind, count, at)
        if not count:
            if (key and not _LEAST[key]) or (value and not _LEAST[value]):
                raise WireError(f"the empty {_NAMES[kind]} at byte {at} is of a type that does not exist")
            return 0, key, value, begin
        if not (_LEAST[key] and _LEAST[value]):
            raise WireError(f"the {_NAMES[kind]} at byte {at} holds a type that does not exist")
        least = count * (_LEAST[key] if values == count else _LEAST[key] + _LEAST[value])
        if least > len(data) - begin:
            detail = f"the {_NAMES[kind]} at byte {at} announces {count} elements, more than the bytes left can hold"
            raise Incomplete(detail, begin + least)
        if _FIXED[key] and _FIXED[value]:
            return 0, key, value, begin + least
        return values, key, value, begin


_NAMES = {STRING: "string", MAP: "map", SET: "set", LIST: "list"}


def _negative(kind: int, length: int, at: int) -> WireError:
    return WireError(f"the {_NAMES[kind]} at byte {at} announces a length of {length}")
