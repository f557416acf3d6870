"""The schemas that a document names: of each struct in each direction in which it travels, and of each enum."""

from __future__ import annotations

import enum
from collections import Counter, deque
from collections.abc import Iterator, Sequence

from attrs import evolve, frozen

from ..annotations import targets
from ..codec.structs import inner_structs, reaching
from ..descriptor import Enum, EnumType, ListType, MapType, Schema, SetType, Struct, Type, TypeName
from ..keys import call_key, nested_key, response_key
from .json_schema import Json
from .rules import HELD, NOT_HELD, Held, has_vd, has_vt

# What the gateway itself says.
PROBLEM = "Problem"
# The texts of integers, by their types.
TEXTS = {"i8": "I8Text", "i16": "I16Text", "i32": "I32Text", "i64": "I64Text"}


class Direction(enum.Enum):
    """Where a value travels; the value ends the name of a component, where that would be another's as well."""

    # As a whole answer, some of whose fields may be in its head; and inside of one.
    ANSWER = ""
    REPLY = "Nested"
    REQUEST = "Input"
    # JSON calls know fewer annotations than routes do.
    CALL = "Call"
    CALL_REPLY = "CallReply"


@frozen
class Family:
    """What the schema of a struct depends on besides the struct."""

    direction: Direction
    held: Held = HELD


ANSWER, REPLY, CALL_REPLY = Family(Direction.ANSWER), Family(Direction.REPLY), Family(Direction.CALL_REPLY)

# The ends of the names of those where some rules do not hold.
_UNHELD = {HELD: "", NOT_HELD: "Unchecked", Held(vd=False): "UncheckedVd", Held(vt=False): "UncheckedVt"}


@frozen
class Component:
    """A struct or an enum as it travels.

    :ivar owner: the number of the schema that describes it.
    """

    owner: int
    type: TypeName
    family: Family


class Components:
    """Gives components their names, and remembers which were asked for.

    :param schemas: all that the document is about; what several have in common is one component.
    """

    def __init__(self, schemas: Sequence[Schema]) -> None:
        self._traits = [_Traits(schema) for schema in schemas]
        self._owners = _owners(schemas)
        self._names = _names(list(dict.fromkeys((owner, name) for (_, name), owner in self._owners.items())))
        self._answered = {
            (self._owners[number, name], name) for number, schema in enumerate(schemas) for name in _answered(schema)
        }
        self._asked: dict[Component, str] = {}
        self._waiting: deque[Component] = deque()
        # The integers whose texts were asked for.
        self.texts: set[str] = set()

    def struct(self, number: int, name: TypeName, family: Family) -> Json:
        """A reference to the component of a struct.

        :param number: of the schema that speaks of it.
        """
        return self._reference(number, name, self._traits[number].canonical(name, family))

    def enum(self, number: int, name: TypeName) -> Json:
        return self._reference(number, name, ANSWER)

    def text(self, integer: str) -> Json:
        """A reference to the component of the texts of an integer: ``i64``."""
        self.texts.add(integer)
        return _reference_to(TEXTS[integer])

    def waiting(self) -> Iterator[tuple[str, Component]]:
        """Those that were asked for and not given here before, with those that are asked for meanwhile."""
        while self._waiting:
            component = self._waiting.popleft()
            yield self._asked[component], component

    def _reference(self, number: int, name: TypeName, family: Family) -> Json:
        component = Component(self._owners[number, name], name, family)
        if component not in self._asked:
            self._waiting.append(component)
            self._asked[component] = self._name(component)
        return _reference_to(self._asked[component])

    def _name(self, component: Component) -> str:
        owned, family = (component.owner, component.type), component.family
        goes_both_ways = family.direction is not Direction.REQUEST or owned in self._answered
        return self._names[owned] + (family.direction.value if goes_both_ways else "") + _UNHELD[family.held]


def _reference_to(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


class _Traits:
    """Which structs of a schema have rules somewhere inside, and which JSON calls rename."""

    def __init__(self, schema: Schema) -> None:
        self._with_vd = reaching(schema, has_vd)
        self._with_vt = reaching(schema, has_vt)
        self._renamed = reaching(schema, _is_renamed)
        self._headed = {name for name, struct in schema.structs.items() if _is_headed(struct)}

    def canonical(self, name: TypeName, family: Family) -> Family:
        """The family that stands for all that make no difference to a struct."""
        match family.direction:
            case Direction.ANSWER:
                return ANSWER
            case Direction.REPLY:
                return REPLY if name in self._headed else ANSWER
            case Direction.CALL_REPLY:
                return CALL_REPLY if name in self._renamed or name in self._headed else ANSWER
        held = Held(family.held.vd or name not in self._with_vd, family.held.vt or name not in self._with_vt)
        return evolve(family, held=held)


def _is_headed(struct: Struct) -> bool:
    """Whether a struct that is a whole answer has another body than inside of one."""
    return any(
        response_key(field) != nested_key(field) or any(each.key.lower() in targets for each in field.annotations)
        for field in struct.fields
    )


def _is_renamed(struct: Struct) -> bool:
    return any(call_key(field) != nested_key(field) for field in struct.fields)


def _answered(schema: Schema) -> set[TypeName]:
    """The structs that travel in answers."""
    found: set[TypeName] = set()
    methods = (method for service in schema.services for method in service.methods)
    answers = (each for method in methods for each in (method.result, *(thrown.type for thrown in method.throws)))
    waiting = [name for answer in answers if answer is not None for name in inner_structs(answer)]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [inner for field in schema.structs[name].fields for inner in inner_structs(field.type)]
    return found


def _owners(schemas: Sequence[Schema]) -> dict[tuple[int, TypeName], int]:
    """For each type of each schema the first one that has the same, down to what it holds."""
    owners: dict[tuple[int, TypeName], int] = {}
    known: dict[TypeName, list[int]] = {}
    for number, schema in enumerate(schemas):
        for name in (*schema.structs, *schema.enums):
            others = known.setdefault(name, [])
            same = (other for other in others if _is_same(name, schema, schemas[other]))
            owners[number, name] = owner = next(same, number)
            if owner == number:
                others.append(number)
    return owners


def _is_same(name: TypeName, one: Schema, other: Schema) -> bool:
    seen: set[TypeName] = set()
    waiting = [name]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        declared = _declared(one, name)
        if declared != _declared(other, name):
            return False
        if isinstance(declared, Struct):
            waiting += [each for field in declared.fields for each in types_in(field.type)]
    return True


def _declared(schema: Schema, name: TypeName) -> Struct | Enum | None:
    return schema.structs.get(name) or schema.enums.get(name)


def types_in(type: Type) -> Iterator[TypeName]:
    """The structs and enums that a type names, itself or in its parts."""
    match type:
        case EnumType(name):
            yield name
        case ListType(element) | SetType(element):
            yield from types_in(element)
        case MapType(key, value):
            yield from types_in(key)
            yield from types_in(value)
        case _:
            yield from inner_structs(type)


def _names(types: Sequence[tuple[int, TypeName]]) -> dict[tuple[int, TypeName], str]:
    """The short name where no other type has it, else with the file's in front, else with a number behind."""
    taken = Counter(name.name for _, name in types) + Counter([PROBLEM, *TEXTS.values()])
    names: dict[tuple[int, TypeName], str] = {}
    given: set[str] = set()
    for owner, name in types:
        stem = name.file.rpartition("/")[2].removesuffix(".thrift")
        wanted = name.name if taken[name.name] == 1 else f"{stem}.{name.name}"
        number, unique = 1, wanted
        while unique in given:
            number += 1
            unique = f"{wanted}{number}"
        given.add(unique)
        names[owner, name] = unique
    return names
