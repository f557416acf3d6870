"""Tokens by which an operator has live requests explained: signed, and good for a while.

Nothing is kept of them: whoever has the secret, each worker and gateway of an installation,
can tell a good one. Who holds one learns nothing by it; explanations are read at the admin port.
"""

from __future__ import annotations

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

# The header in which a request brings one.
HEADER = b"tgw-explain"
# Seconds that one may be good for, and is if nobody says.
LONGEST = 3600
USUAL = 600
# Bytes of chance, which tell tokens apart.
NONCE = 9

_EXPIRY = struct.Struct(">Q")
_SIGNATURE = 16
_SIZE = _EXPIRY.size + NONCE + _SIGNATURE


class Tokens:
    def __init__(self, secret: str) -> None:
        # Of any length, so hashed.
        self._key = sha256(b"tgw-explain\0" + secret.encode("utf-8", "surrogatepass")).digest()

    def issue(self, expires: int, nonce: bytes) -> str:
        """
        :param expires: in seconds since 1970.
        :param nonce: :data:`NONCE` bytes of chance.
        """
        said = _EXPIRY.pack(expires) + nonce
        return urlsafe_b64encode(said + self._signature(said)).decode("ascii")

    def expiry(self, token: bytes, now: float) -> int:
        """Until when the token is good, in seconds since 1970; 0 if it is not, or is none.

        :param now: in seconds since 1970.
        """
        try:
            data = urlsafe_b64decode(token)
        except ValueError:
            return 0
        said, signature = data[:-_SIGNATURE], data[-_SIGNATURE:]
        # Of several spellings one is good, or a token would pass for many.
        if (
            len(data) != _SIZE
            or urlsafe_b64encode(data) != token
            or not hmac.compare_digest(signature, self._signature(said))
        ):
            return 0
        (expires,) = _EXPIRY.unpack_from(said)
        # A signed one that is good for longer than any was issued with another clock.
        return int(expires) if now < expires <= now + LONGEST else 0

    def _signature(self, said: bytes) -> bytes:
        return hmac.digest(self._key, said, "sha256")[:_SIGNATURE]
