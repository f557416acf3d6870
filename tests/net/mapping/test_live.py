"""One load at a time, and whatever goes wrong with it costs nobody what is served."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from txgateway.core.gate import REFUSE, Gate
from txgateway.core.history import History
from txgateway.core.loading import LoadedMapping, Loader, Root, keep_nothing
from txgateway.core.mapping import MappingSettings
from txgateway.net.mapping.heap import Heap
from txgateway.net.mapping.live import LiveMapping, NotKept

IDL = 'struct A {{ 1: i32 n (api.query="n") }}\nservice S {{ A f(1: A a) (api.get="/{}") }}'


class Held:
    """A background that works when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], Any], Deferred[Any]]] = []
        self.turn: list[Callable[[], None]] = []

    def run(self, work: Callable[[], Any]) -> Deferred[Any]:
        running: Deferred[Any] = Deferred()
        self.waiting.append((work, running))
        return running

    def soon(self, what: Callable[[], None]) -> None:
        self.turn.append(what)

    def work(self) -> None:
        work, running = self.waiting.pop(0)
        try:
            outcome = work()
        except Exception as error:
            running.errback(error)
        else:
            running.callback(outcome)
        while self.turn:
            self.turn.pop(0)()


class Files:
    """A source whose files a test writes."""

    name = "files"

    def __init__(self) -> None:
        self.texts = {"s.thrift": IDL.format("one")}
        self.error: Exception | None = None
        self.running = False

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def reader(self) -> Callable[[], Sequence[Root]]:
        texts = dict(self.texts)

        def read_all() -> list[Root]:
            if self.error is not None:
                raise self.error
            return [Root(path, texts.__getitem__) for path in texts]

        return read_all

    def loaded(self, loaded: LoadedMapping) -> None:
        pass

    def status(self) -> dict[str, Any]:
        return {"kind": self.name}


class Town:
    """:param hides: whether what is served is hidden from the garbage collector, and given back later."""

    def __init__(self, policy: str = "warn", hides: bool = False) -> None:
        self.background, self.files, self.heap = Held(), Files(), Heap()
        self.served: list[LoadedMapping] = []
        background: Any = self.background
        self.live = LiveMapping(
            background,
            self.heap,
            [self.files],
            Loader(keep=self.heap.keep if hides else keep_nothing),
            Gate(policy),
            History(3),
            self.served.append,
            lambda: 12.0,
        )
        self.live.start()

    def write(self, path: str) -> None:
        self.files.texts["s.thrift"] = IDL.format(path)
        self.live.changed("files")

    def routes(self) -> list[str]:
        return [route.path for route in self.served[-1].mapping.routes]


def test_the_first_mapping_is_served_at_once():
    town = Town()
    assert town.routes() == ["/one"]
    assert town.files.running


def test_what_changes_during_a_load_is_loaded_after_it():
    town = Town()
    town.write("two")
    town.write("three")
    assert len(town.background.waiting) == 1
    town.background.work()
    assert town.routes() == ["/two"]
    town.background.work()
    assert town.routes() == ["/three"]
    assert not town.background.waiting


def test_a_load_that_changes_nothing_swaps_nothing():
    town = Town()
    town.live.changed("files")
    town.background.work()
    assert len(town.served) == 1
    assert (town.live.generation, town.live.reloads["unchanged"]) == (1, 1)


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (OSError(2, "No such file or directory", "/idl"), "/idl: No such file or directory"),
        (RuntimeError("a fault"), "the last load failed by a fault of the gateway itself; the log has more"),
    ],
)
def test_a_failed_load_keeps_what_is_served(error, trouble):
    town = Town()
    town.files.error = error
    town.write("two")
    town.background.work()
    assert town.live.trouble == trouble
    assert len(town.served) == 1
    town.files.error = None
    town.live.changed("files")
    town.background.work()
    assert (town.routes(), town.live.trouble) == (["/two"], "")


def test_every_load_is_counted_by_what_came_of_it():
    town = Town()
    for path in ("two", '"', "three"):
        town.write(path)
        town.background.work()
        assert town.live.kept == (("s",) if path == '"' else ())
    town.live.changed("files")
    town.background.work()
    town.files.error = OSError(2, "No such file or directory", "/idl")
    town.live.changed("files")
    town.background.work()
    assert town.live.generation == 3
    assert town.live.reloads == {"served": 2, "unchanged": 1, "broken": 1, "failed": 1}


def test_what_was_replaced_is_given_back_before_the_next_load():
    town = Town(hides=True)
    town.write("two")
    town.background.work()
    town.write("three")
    old = weakref.ref(town.served.pop().mapping.routes[0].plan)
    town.background.work()
    # Nobody but the heap can give it back: the collector does not see it.
    gc.collect()
    assert old() is not None
    town.write("four")
    # One thing at a time, and this comes first.
    assert len(town.background.waiting) == 1
    town.background.work()
    assert old() is None
    assert town.routes() == ["/three"]
    town.background.work()
    assert town.routes() == ["/four"]


def test_what_is_foreseen_is_compiled_before_it_is_wanted():
    town = Town()
    town.files.texts["s.thrift"] = IDL.format("two")
    town.live.foresee("s.thrift", town.files.texts.__getitem__)
    town.background.work()
    assert town.routes() == ["/one"]
    prepared = town.live._loader._prepared["s.thrift"]
    town.live.changed("files")
    town.background.work()
    assert town.live.loaded.compiled == (prepared,)
    assert town.routes() == ["/two"]


def test_a_load_does_not_wait_for_what_is_foreseen():
    town = Town()
    for path in ("s.thrift", "t.thrift"):
        town.files.texts[path] = IDL.format(path[0])
        town.live.foresee(path, town.files.texts.__getitem__)
    town.live.changed("files")
    # The first was begun, and is given up.
    town.background.work()
    town.background.work()
    assert town.routes() == ["/s", "/t"]
    # The second is known by then.
    before = town.live.loaded
    town.background.work()
    assert not town.live._loader._prepared
    assert (town.live.loaded, town.background.waiting) == (before, [])


def test_what_waits_to_be_given_back_does_not_pile_up():
    """However many services change at a time, and however little time there is between two loads."""
    town = Town(hides=True)
    waiting = []
    for version in range(40):
        for service in range(20):
            path = f"s{service}v{version}"
            town.files.texts[f"s{service}.thrift"] = IDL.format(path).replace("service S", f"service S{service}")
        town.live.changed("files")
        town.background.work()
        # No more than one turn before the next load.
        town.files.texts["s.thrift"] = IDL.format(f"s{version}")
        town.live.changed("files")
        town.background.work()
        waiting.append(town.heap.garbage)
        while town.background.waiting and town.live._loading:
            town.background.work()
        town.served.clear()
    assert max(waiting) < 200


def test_after_the_stop_nothing_is_served_any_more():
    town = Town()
    town.write("two")
    town.live.stop()
    town.background.work()
    assert len(town.served) == 1
    assert not town.files.running


def test_a_rollback_lasts_until_the_files_change():
    town = Town()
    first = town.served[0].digest
    town.write("two")
    town.background.work()
    back = town.live.rollback(first)
    town.background.work()
    assert back.result == first
    assert town.routes() == ["/one"]
    # The same files again are no change.
    town.live.changed("files")
    town.background.work()
    assert town.routes() == ["/one"]
    assert town.live.status()["rolled_back"]
    town.write("three")
    town.background.work()
    assert town.routes() == ["/three"]
    assert not town.live.status()["rolled_back"]


def test_what_is_not_kept_is_said_with_what_is():
    town = Town()
    with pytest.raises(NotKept, match=town.served[0].digest):
        town.live.rollback("f00d")
    with pytest.raises(NotKept, match="there are none"):
        town.live.allow("f00d")
    town.write("two")
    with pytest.raises(NotKept, match="try again"):
        town.live.rollback(town.served[0].digest)


def test_a_refused_change_is_served_once_it_is_allowed():
    town = Town(REFUSE)
    town.write("two")
    town.background.work()
    assert town.routes() == ["/one"]
    (refused,) = town.live.status()["refused"]
    town.live.allow(refused["fingerprint"])
    town.background.work()
    assert town.routes() == ["/two"]
    assert [version["source"] for version in town.live.status()["history"]] == ["allowed", "start"]


def statuses(town: Town) -> list[int]:
    """The status of a business error as each mapping was compiled with it."""
    return [loaded.compiled[0].settings.business_status for loaded in town.served]


def test_other_settings_compile_the_same_files_once_more():
    town = Town()
    town.live.compile_by(MappingSettings(business_status=502))
    town.background.work()
    assert statuses(town) == [500, 502]
    assert town.served[0].digest == town.served[1].digest
    assert (town.live.generation, town.live.reloads["served"]) == (2, 1)
    # The next load finds nothing to compile.
    town.live.changed("files")
    town.background.work()
    assert statuses(town) == [500, 502]


def test_other_settings_compile_the_version_that_was_gone_back_to():
    town = Town()
    town.write("two")
    town.background.work()
    town.live.rollback(town.served[0].digest)
    town.background.work()
    town.live.compile_by(MappingSettings(business_status=502))
    town.background.work()
    assert (town.routes(), statuses(town)) == (["/one"], [500, 500, 500, 502])
    # It lasts still until the files change.
    town.live.changed("files")
    town.background.work()
    assert town.routes() == ["/one"]
    town.write("three")
    town.background.work()
    assert (town.routes(), statuses(town)[-1]) == (["/three"], 502)


def test_settings_may_allow_what_was_refused():
    town = Town(REFUSE)
    town.write("two")
    town.background.work()
    (refused,) = town.live.status()["refused"]
    town.live.judge_by(REFUSE, [refused["fingerprint"]])
    town.background.work()
    assert town.routes() == ["/two"]
    town.write("three")
    town.background.work()
    assert town.routes() == ["/two"]
    town.live.judge_by("warn", [])
    town.background.work()
    assert town.routes() == ["/three"]
