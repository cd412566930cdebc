"""The silent proxy is what it says it is, before a real Redis."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from tests.conftest import Servers
from tests.silence import Silence
from tests.stack import Stack

SOON_SECONDS = 0.3  # for what must not happen


@pytest.fixture
def proxy(embedded: Servers) -> Iterator[Silence]:
    with Silence(embedded.redis_port) as made:
        yield made


@pytest.fixture
def direct(embedded: Servers) -> Iterator[redis.Redis]:
    """Past the proxy, to see what really happened; its Redis is empty."""
    with redis.Redis(port=embedded.redis_port) as client:
        client.flushall()
        yield client


class Caller:
    """One connection by hand: what is sent and heard, without retries behind one's back."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SOON_SECONDS)

    def send(self, command: str) -> None:
        self.socket.sendall(command.encode() + b"\r\n")

    def hear(self, seconds: float = 5.0) -> bytes:
        """The next bytes; raises TimeoutError in silence, and ConnectionResetError."""
        self.socket.settimeout(seconds)
        return self.socket.recv(1000)

    def ask(self, command: str) -> bytes:
        self.send(command)
        return self.hear()


@pytest.fixture
def call(proxy: Silence) -> Iterator[Callable[[], Caller]]:
    made: list[Caller] = []

    def connect() -> Caller:
        made.append(Caller(proxy.port))
        return made[-1]

    yield connect
    for one in made:
        one.socket.close()


Call = Callable[[], Caller]


def is_connected(server: redis.Redis, client_id: bytes) -> bool:
    """Whether the server still believes in the client that got `:id` for CLIENT ID."""
    return client_id.decode().strip(":\r\n") in {one["id"] for one in server.client_list()}


def until(ready: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_passes_everything_on_and_ends_with_either_side(
    proxy: Silence, call: Call, direct: redis.Redis
) -> None:
    caller = call()
    assert caller.ask("PING") == b"+PONG\r\n"
    large = "x" * 1_000_000
    direct.set("large", large)
    with redis.Redis(port=proxy.port) as client:
        assert client.get("large") == large.encode()
    assert caller.ask("QUIT") == b"+OK\r\n"
    assert caller.hear() == b"", "Redis hung up, so the proxy did"
    caller.socket.close()
    until(lambda: proxy.connections == 0)


def test_a_black_hole_answers_nothing_ends_nothing_and_lets_nobody_in(
    proxy: Silence, call: Call, direct: redis.Redis
) -> None:
    caller = call()
    client_id = caller.ask("CLIENT ID")
    proxy.be_black_hole()
    caller.send("SET a 1")
    with pytest.raises(TimeoutError):
        caller.hear(SOON_SECONDS)
    with pytest.raises(TimeoutError):
        call()
    assert direct.get("a") is None
    assert is_connected(direct, client_id), "the server is not told"


def test_when_a_black_hole_ends_what_was_sent_arrives_and_new_connections_work(
    proxy: Silence, call: Call, direct: redis.Redis
) -> None:
    caller, lost = call(), call()
    assert caller.ask("PING") == lost.ask("PING") == b"+PONG\r\n"
    proxy.be_black_hole()
    proxy.be_black_hole()
    caller.send("SET a 1")
    lost.socket.close()
    proxy.pass_on()
    assert caller.hear() == b"+OK\r\n"
    assert direct.get("a") == b"1"
    assert call().ask("PING") == b"+PONG\r\n"
    until(lambda: proxy.connections == 2)


def test_old_connections_can_be_silent_while_new_ones_work(proxy: Silence, call: Call) -> None:
    old = call()
    assert old.ask("PING") == b"+PONG\r\n"
    proxy.silence_old()
    old.send("PING")
    assert call().ask("PING") == b"+PONG\r\n"
    with pytest.raises(TimeoutError):
        old.hear(SOON_SECONDS)
    proxy.pass_on()
    assert old.hear() == b"+PONG\r\n"


def test_answers_can_be_held_while_the_work_is_done(
    proxy: Silence, call: Call, direct: redis.Redis
) -> None:
    old = call()
    assert old.ask("PING") == b"+PONG\r\n"
    proxy.hold_answers()
    new = call()
    for caller in (old, new):
        caller.send("INCR a")
    until(lambda: direct.get("a") == b"2")
    for caller in (old, new):
        with pytest.raises(TimeoutError):
            caller.hear(SOON_SECONDS)
    proxy.pass_on()
    assert sorted((old.hear(), new.hear())) == [b":1\r\n", b":2\r\n"]


def test_one_answer_is_lost_after_the_write(
    proxy: Silence, call: Call, direct: redis.Redis
) -> None:
    caller, other = call(), call()
    proxy.lose_answer(b"INCR")
    assert caller.ask("SET a 5") == b"+OK\r\n", "not the request that was meant"
    caller.send("INCR a")
    with pytest.raises(ConnectionResetError):
        caller.hear()
    assert direct.get("a") == b"6"
    assert proxy.answers_lost == 1
    assert other.ask("INCR a") == b":7\r\n"


def test_a_reset_reaches_both_sides_and_new_connections_work(
    proxy: Silence, call: Call, direct: redis.Redis
) -> None:
    caller = call()
    client_id = caller.ask("CLIENT ID")
    assert is_connected(direct, client_id)
    proxy.be_black_hole()
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        caller.hear()
    until(lambda: not is_connected(direct, client_id))
    proxy.pass_on()
    assert call().ask("PING") == b"+PONG\r\n"


def test_a_delay_holds_up_both_ways(proxy: Silence, call: Call) -> None:
    caller = call()
    assert caller.ask("PING") == b"+PONG\r\n"
    proxy.delay(0.1)
    began = time.monotonic()
    assert caller.ask("PING") == b"+PONG\r\n"
    assert time.monotonic() - began >= 0.2
    proxy.pass_on()


def test_a_server_that_is_away_is_a_reset(call: Call, proxy: Silence) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        proxy.server_port = unused.getsockname()[1]
    with pytest.raises(ConnectionResetError):
        call().hear()


def test_a_stack_puts_it_between_one_process_and_one_store(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    stack = Stack(tmp_path)
    silence = stack.between("points", "redis")
    assert stack.between("points", "redis") is silence
    assert list(stack.addresses("points")) == ["REDIS_URL"]
    assert stack.addresses("web") == {}
    try:
        stack.start("redis")
        with redis.Redis.from_url(
            stack.addresses("points")["REDIS_URL"], socket_timeout=SOON_SECONDS
        ) as points:
            assert points.ping()
            silence.be_black_hole()
            with pytest.raises(redis.exceptions.TimeoutError):
                points.ping()
        with redis.Redis.from_url(stack.environment["REDIS_URL"]) as web:
            assert web.ping()
    finally:
        stack.stop_everything()
