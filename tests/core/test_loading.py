"""Loading again and again: what changed is compiled, what broke stays as it was, and nobody else notices."""

from __future__ import annotations

import pytest

from txgateway.core.loading import (
    Judgement,
    LoadedMapping,
    Loader,
    Root,
    load_mapping,
)
from txgateway.core.mapping import MappingSettings
from txgateway.core.message import Request


def idl(service: str, path: str = "", extra: str = "") -> str:
    name = service.capitalize()
    return f"""struct {name}Req {{ 1: i32 num (api.query="num") {extra} }}
struct {name}Resp {{ 1: string text }}
service {name} {{ {name}Resp get(1: {name}Req req) (api.get="{path or "/" + service}") }}
"""


class World:
    """Files that change, and whoever serves them."""

    def __init__(self, **files: str) -> None:
        self.files = {f"{stem}.thrift": text for stem, text in files.items()}
        self.loader = Loader()
        self.serve()

    def load(self, judge=None) -> LoadedMapping:
        roots = [Root(path, self._read) for path in sorted(self.files, key=lambda path: not path.startswith("etcd:"))]
        return self.loader.load(roots, judge)

    def serve(self, judge=None) -> LoadedMapping:
        self.loaded = self.load(judge)
        self.loader.served(self.loaded)
        return self.loaded

    def write(self, stem: str, text: str) -> LoadedMapping:
        self.files[f"{stem}.thrift"] = text
        return self.serve()

    def _read(self, path: str) -> str:
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]

    def errors(self) -> list[str]:
        return [error.message for error in self.loaded.errors]


def routes(loaded: LoadedMapping) -> set[str]:
    return {route.path for route in loaded.mapping.routes}


def test_the_same_files_are_the_same_mapping():
    world = World(a=idl("a"), b=idl("b"))
    again = world.load()
    assert (again.digest, again.offered) == (world.loaded.digest, world.loaded.offered)
    assert all(again.services[name] is world.loaded.services[name] for name in ("a", "b"))


def test_what_did_not_change_is_not_joined_again_either():
    world = World(a=idl("a"), b=idl("b"))
    assert world.load().mapping is world.loaded.mapping
    world.files["c.thrift"] = idl("c")
    assert world.load().mapping is not world.loaded.mapping
    world.files["c.thrift"] = "struct {"
    assert world.load().mapping is world.loaded.mapping


def test_whoever_keeps_the_parts_of_mappings_is_told_of_the_new_ones():
    kept: list[tuple[object, bool]] = []

    def keep(part: object, *, circles: bool) -> None:
        kept.append((part, circles))

    world = World(a=idl("a"), b=idl("b"))
    world.loader = Loader(keep=keep)
    loaded = world.serve()
    assert kept == [(loaded.services["a"], True), (loaded.services["b"], True), (loaded.mapping, False)]
    kept.clear()
    world.serve()
    assert not kept


def test_only_what_changed_is_compiled():
    world = World(a=idl("a"), b=idl("b"))
    before = world.loaded
    after = world.write("a", idl("a", "/other"))
    assert routes(after) == {"/other", "/b"}
    assert after.services["b"] is before.services["b"]
    assert after.services["a"] is not before.services["a"]
    assert after.digest != before.digest


def test_policies_that_stay_are_the_very_same():
    world = World(a=idl("a"), b=idl("b"))
    before = world.loaded.services
    world.write("a", idl("a", "/other"))
    world.write("b", idl("b").replace("get(1: BReq req)", "more(1: BReq req)"))
    after = world.loaded.services
    assert after["a"].policies is before["a"].policies
    assert list(after["b"].policies) == ["B.more"]


class Prepared(World):
    """Files that are prepared before they are loaded, and how many were compiled meanwhile."""

    def __init__(self, **files: str) -> None:
        super().__init__(**files)
        self.compiled = 0
        self.loader._keep = self._count

    def _count(self, part: object, *, circles: bool) -> None:
        self.compiled += circles

    def prepare(self, stem: str, text: str, stop: bool = False) -> None:
        self.files[f"{stem}.thrift"] = text
        self.loader.prepare(f"{stem}.thrift", self._read, lambda: stop)


@pytest.mark.parametrize("stem", ["a", "new"])
def test_what_was_prepared_is_not_compiled_again(stem):
    world = Prepared(a=idl("a"), b=idl("b"))
    world.prepare(stem, idl(stem, "/other"))
    assert (world.compiled, routes(world.loaded)) == (1, {"/a", "/b"})
    assert "/other" in routes(world.serve())
    assert world.compiled == 1
    # Nor is it remembered for longer than it may be of use.
    world.serve()
    assert not world.loader._prepared


def test_what_was_prepared_and_changed_again_is_served_as_it_is_at_last():
    world = Prepared(a=idl("a"))
    world.prepare("a", idl("a", "/draft"))
    assert routes(world.write("a", idl("a", "/last"))) == {"/last"}
    world.prepare("a", "struct {")
    assert routes(world.write("a", idl("a", "/mended"))) == {"/mended"}
    assert not world.loaded.errors
    world.prepare("a", idl("a", "/draft"))
    world.loader.settings = MappingSettings(business_status=418)
    assert routes(world.serve()) == {"/draft"}
    assert world.loaded.compiled[0].settings is world.loader.settings


def test_whoever_includes_a_file_is_prepared_with_it_unless_a_load_waits():
    user = 'include "common.thrift"\nservice {0} {{ common.P get(1: common.P p) (api.get="/{0}") }}'
    world = Prepared(common="struct P { 1: string one }", u=user.format("U"), v=user.format("V"), w=idl("w"))
    world.prepare("common", "struct P { 1: string two }", stop=True)
    assert world.compiled == 0
    world.prepare("common", "struct P { 1: string two }")
    assert world.compiled == 2
    world.serve()
    assert world.compiled == 2
    fields = {f.name for name in "uv" for s in world.loaded.services[name].schema.structs.values() for f in s.fields}
    assert fields == {"two"}


def test_whoever_loads_beside_other_work_is_let_breathe_often():
    breaths = list[None]()
    fields = "\n".join(f"{number}: i32 f{number}" for number in range(1, 1001))
    methods = "\n".join(f'S m{number}(1: S s) (api.get="/m{number}")' for number in range(10))
    texts = {"a.thrift": f"struct S {{ {fields} }}", "b.thrift": f"struct S {{ 1: i32 n }} service B {{ {methods} }}"}

    def load(path: str) -> int:
        breaths.clear()
        Loader(breathe=lambda: breaths.append(None)).load([Root(path, texts.__getitem__)])
        return len(breaths)

    # A field takes some 50 µs to be parsed, a method some milliseconds to be compiled.
    assert load("a.thrift") > 1000
    assert load("b.thrift") > 10 * 6


@pytest.mark.parametrize("broken", ["struct {", idl("a")[:-20], "", "  \n", idl("a")[: idl("a").index("service")]])
def test_a_broken_file_keeps_its_last_good_version(broken):
    world = World(a=idl("a"), b=idl("b"))
    before = world.loaded
    after = world.write("a", broken)
    assert world.errors()
    assert after.kept == ("a",)
    assert routes(after) == {"/a", "/b"}
    assert after.services["a"] is before.services["a"]
    assert after.unserved == {"a.thrift": broken}
    mended = world.write("a", idl("a", "/mended"))
    assert (mended.errors, mended.kept, mended.unserved) == ((), (), {})
    assert routes(mended) == {"/mended", "/b"}


def test_a_file_that_was_never_good_costs_only_itself():
    world = World(a="service {", b=idl("b"))
    assert routes(world.loaded) == {"/b"}
    assert world.loaded.kept == ()
    assert world.errors()


def test_only_the_routes_of_a_deleted_file_vanish():
    world = World(a=idl("a"), b=idl("b"), c=idl("c"))
    kept = world.loaded.services["c"]
    del world.files["a.thrift"], world.files["b.thrift"]
    world.serve()
    assert routes(world.loaded) == {"/c"}
    assert world.loaded.services["c"] is kept
    assert not world.loaded.errors


def test_a_file_that_gives_its_service_away_does():
    world = World(a=idl("a"))
    world.files["b.thrift"] = 'include "a.thrift"\nservice B { a.AResp get(1: a.AReq req) (api.get="/a") }'
    world.write("a", "struct AReq { 1: i32 n }\nstruct AResp { 1: string text }\n")
    assert world.loaded.mapping.services == ("b",)
    assert routes(world.loaded) == {"/a"}


def test_a_change_of_an_include_reaches_whoever_includes_it():
    user = 'include "common.thrift"\nservice U { common.P get(1: common.P p) (api.get="/u") }'
    world = World(a=idl("a"), common="struct P { 1: string one }", u=user)
    before = world.loaded
    after = world.write("common", "struct P { 1: string one, 2: string two }")
    assert after.services["a"] is before.services["a"]
    fields = [f.name for f in next(iter(after.services["u"].schema.structs.values())).fields]
    assert fields == ["one", "two"]
    broken = world.write("common", "struct P {")
    assert broken.kept == ("u",)
    assert broken.services["u"] is after.services["u"]


def test_includes_that_come_to_include_each_other_are_told_with_their_chain():
    world = World(a='include "b.thrift"\n' + idl("a"), b="struct B {}", c=idl("c"))
    world.write("b", 'include "a.thrift"\nstruct B {}')
    assert world.loaded.kept == ("a",)
    assert "the files include each other" in world.errors()
    (circle,) = (error for error in world.loaded.errors if error.hint == "a.thrift -> b.thrift -> a.thrift")
    assert str(circle).startswith("b.thrift:1:9: ")
    assert routes(world.loaded) == {"/a", "/c"}
    world.write("b", "struct B {}")
    assert not world.loaded.errors


def test_an_include_that_appears_where_it_is_looked_for_first_counts_from_then_on():
    files = {
        "u.thrift": 'include "c.thrift"\nservice U { c.P get(1: c.P p) (api.get="/u") }',
        "more/c.thrift": "struct P {}",
    }

    def read(path: str) -> str:
        if path not in files:
            raise FileNotFoundError(path)
        return files[path]

    def fields(loaded: LoadedMapping) -> list[str]:
        return [f.name for struct in loaded.services["u"].schema.structs.values() for f in struct.fields]

    loader = Loader(["more"])
    first = loader.load([Root("u.thrift", read)])
    loader.served(first)
    assert fields(first) == []
    files["c.thrift"] = "struct P { 1: string near }"
    near = loader.load([Root("u.thrift", read)])
    assert fields(near) == ["near"]
    assert near.digest != first.digest
    del files["c.thrift"]
    assert fields(loader.load([Root("u.thrift", read)])) == []


def test_who_has_a_route_keeps_it():
    world = World(a=idl("a"), b=idl("b"))
    after = world.write("a", idl("a", "/b"))
    assert after.kept == ("a",)
    assert routes(after) == {"/a", "/b"}
    assert "already a route" in world.errors()[0]


def test_two_files_may_change_routes_with_each_other_in_one_step():
    world = World(a=idl("a"), b=idl("b"))
    world.files["a.thrift"] = idl("a", "/b")
    world.files["b.thrift"] = idl("b", "/a")
    world.serve()
    assert not world.loaded.errors
    route, _ = world.loaded.mapping.route(Request("GET", b"/a", (), b""))
    plan = route.plan
    assert plan.service == "b"


def test_a_third_file_that_wants_what_is_kept_waits_too():
    world = World(a=idl("a"), b=idl("b"), c=idl("c"))
    # b gives its route to c, but takes a's, which it cannot have: so c cannot have b's.
    world.files["b.thrift"] = idl("b", "/a")
    world.files["c.thrift"] = idl("c", "/b")
    world.serve()
    assert routes(world.loaded) == {"/a", "/b", "/c"}
    assert set(world.loaded.kept) == {"b", "c"}


def test_what_is_pushed_goes_before_what_lies_in_a_folder():
    world = World(a=idl("a"), b=idl("b"))
    world.files["etcd:/a.thrift"] = idl("a", "/pushed")
    world.serve()
    assert routes(world.loaded) == {"/pushed", "/b"}
    assert world.loaded.overridden == {"a": "a.thrift"}
    assert not world.loaded.errors
    world.files["etcd:/a.thrift"] = "service {"
    world.serve()
    assert routes(world.loaded) == {"/pushed", "/b"}
    assert world.loaded.kept == ("a",)
    del world.files["etcd:/a.thrift"]
    world.serve()
    assert routes(world.loaded) == {"/a", "/b"}


def test_two_files_of_one_source_for_one_service_are_at_odds():
    world = World(a=idl("a"))
    world.files["x/a.thrift"] = idl("a", "/x")
    world.serve()
    assert routes(world.loaded) == {"/a"}
    assert world.errors() == ["another file serves 'a' already"]


def test_files_of_one_name_in_two_folders_have_types_of_their_own():
    files = {
        "one.thrift": 'include "a/types.thrift"\nservice One { types.Id get(1: types.Id id) (api.get="/one") }',
        "two.thrift": 'include "b/types.thrift"\nservice Two { types.Id get(1: types.Id id) (api.get="/two") }',
        "a/types.thrift": "struct Id { 1: i32 number }",
        "b/types.thrift": "struct Id { 1: string text }",
    }
    loader = Loader()
    for _ in range(2):
        loaded = loader.load([Root(path, files.__getitem__) for path in ("one.thrift", "two.thrift")])
        loader.served(loaded)
        names = {
            name: [f.name for struct in service.schema.structs.values() for f in struct.fields]
            for name, service in loaded.services.items()
        }
        assert names == {"one": ["number"], "two": ["text"]}
        files["a/types.thrift"] += "// changed\n"


def refuse_all(name, old, new):
    return Judgement(name, "f00d", ("something breaks",), True, old.routes[0].position)


def test_a_refused_change_is_not_served_and_names_how_to_allow_it():
    world = World(a=idl("a"), b=idl("b"))
    before = world.loaded
    world.files["a.thrift"] = idl("a", "/other")
    world.files["c.thrift"] = idl("c")
    del world.files["b.thrift"]
    world.serve(refuse_all)
    assert routes(world.loaded) == {"/a", "/b", "/c"}
    assert set(world.loaded.kept) == {"a", "b"}
    assert world.loaded.services["a"] is before.services["a"]
    assert all("tgw allow f00d" in error.hint for error in world.loaded.errors)
    # The same files again are asked about again, and may then be served.
    world.serve()
    assert routes(world.loaded) == {"/other", "/c"}


def test_what_is_served_before_any_change_asks_nobody():
    files = {"a.thrift": idl("a")}
    loaded = Loader().load([Root("a.thrift", files.__getitem__)], refuse_all)
    assert not loaded.judgements
    assert loaded.digest == load_mapping(files, files.__getitem__).digest


def test_a_load_that_is_not_served_leaves_no_trace():
    world = World(a=idl("a"))
    served = world.loaded
    world.files["a.thrift"] = idl("a", "/other")
    assert routes(world.load()) == {"/other"}
    world.files["a.thrift"] = "struct {"
    world.serve()
    assert world.loaded.services["a"] is served.services["a"]
