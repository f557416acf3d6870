"""Every annotation that means something to us or to the tools beside us, and where it may stand."""

from __future__ import annotations

import enum


class Place(enum.Enum):
    """What an annotation can be written behind; the value says it in a message."""

    FIELD = "a field"
    METHOD = "a method"
    SERVICE = "a service"
    STRUCT = "a struct"
    ENUM = "an enum"
    MEMBER = "an enum member"
    TYPE = "a type"
    CONSTANT = "a constant"
    NAMESPACE = "a namespace"


_FIELD = frozenset({Place.FIELD})
_METHOD = frozenset({Place.METHOD})
_SERVICE = frozenset({Place.SERVICE})
_STRUCT = frozenset({Place.STRUCT})
_POLICY = _SERVICE | _METHOD

FIELD_KEYS = (
    "api.path", "api.query", "api.header", "api.cookie", "api.form", "api.body", "api.raw_body", "api.raw_uri",
    "api.no_body_struct", "api.http_code", "api.file_name", "api.none", "api.js_conv", "api.key", "api.vd", "go.tag",
)  # fmt: skip
VERBS = tuple(
    f"api.{verb}" for verb in ("get", "post", "put", "delete", "patch", "options", "head", "any", "connect", "trace")
)

KNOWN: dict[str, frozenset[Place]] = {
    **dict.fromkeys(FIELD_KEYS, _FIELD),
    **dict.fromkeys(VERBS, _METHOD),
    "streaming.mode": _METHOD,
    # Read by code generators and document tools, and by nobody at run time.
    "api.param": _FIELD | _METHOD,
    "api.tag": _FIELD | _METHOD,
    "api.version": _FIELD | _METHOD,
    "api.serializer": _METHOD,
    "api.baseurl": _METHOD,
    "api.base_url": _METHOD,
    "api.category": _METHOD,
    "api.gen_path": _METHOD,
    "api.handler_path": _METHOD,
    "api.base_domain": _SERVICE,
    "api.service_group": _SERVICE,
    "api.service_gen_dir": _SERVICE,
    "api.service_path": _SERVICE,
    # Our own.
    "tgw.name": _SERVICE,
    "tgw.transport": _SERVICE,
    "tgw.protocol": _SERVICE,
    "tgw.pipeline": _SERVICE,
    "tgw.idempotent": _POLICY,
    "tgw.balancer": _POLICY,
    "tgw.hash_key": _POLICY,
    "tgw.tag": _POLICY,
    "tgw.tag_fallback": _POLICY,
    "tgw.timeout": _POLICY,
    "tgw.connect_timeout": _POLICY,
    "tgw.retries": _POLICY,
    "tgw.retry_on": _POLICY,
    "tgw.backup_after": _POLICY,
    "tgw.validate": _POLICY,
    "tgw.sensitive": _FIELD,
    "tgw.body_dynamic": _FIELD,
    "tgw.http_code": _STRUCT | _FIELD,
}
