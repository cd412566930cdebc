"""A small HTTP load generator: prepared requests, kept connections, flat out or at a rate."""

import asyncio
import json
import sys
import time
from collections import Counter, deque

import uvloop

from benchmarks import orders


class Connection(asyncio.Protocol):
    """One kept-alive connection with one request in flight."""

    def __init__(self, idle: "Load") -> None:
        self.load = idle
        self.buffer = b""
        self.started = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.load.ready(self)

    def send(self, request: bytes, started: float) -> None:
        self.started = started
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head_end = self.buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self.buffer[:head_end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self.buffer) < head_end + 4 + length:
            return
        status = int(self.buffer[9:12])
        self.buffer = b""
        self.load.answered(status, time.perf_counter() - self.started)
        self.load.ready(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.load.done.done():
            self.load.done.set_exception(exc or ConnectionError("the server closed a connection"))


class Load:
    def __init__(self, requests: list[bytes], rate: float) -> None:
        self.requests = deque(requests)
        self.total = len(requests)
        self.rate = rate
        self.idle: deque[Connection] = deque()
        self.late: deque[float] = deque()  # due, but no connection was idle: their wait counts
        self.statuses: Counter[int] = Counter()
        self.seconds: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def ready(self, connection: Connection) -> None:
        if not self.rate:
            if self.requests:
                connection.send(self.requests.popleft(), time.perf_counter())
        elif self.late and self.requests:
            connection.send(self.requests.popleft(), self.late.popleft())
        else:
            self.idle.append(connection)

    def answered(self, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        self.seconds.append(seconds)
        if len(self.seconds) == self.total and not self.done.done():
            self.done.set_result(None)

    async def pace(self) -> None:
        start = time.perf_counter()
        for number in range(self.total):
            due = start + number / self.rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            if self.idle:
                self.idle.popleft().send(self.requests.popleft(), due)
            else:
                self.late.append(due)


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


async def run(
    host: str, port: int, requests: list[bytes], connections: int, rate: float
) -> dict[str, object]:
    """Send all requests; gives statuses, seconds, rate, latency percentiles (ms)."""
    load = Load(requests, rate)
    loop = asyncio.get_running_loop()
    start, started_at = time.perf_counter(), time.time()
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(load), host, port)
    pacing = asyncio.create_task(load.pace()) if rate else None
    await load.done
    if pacing:
        await pacing
    seconds = time.perf_counter() - start
    return {
        "started_at": started_at,
        "seconds": seconds,
        "per_second": len(requests) / seconds,
        "statuses": dict(load.statuses),
        "p50_ms": percentile(load.seconds, 0.5) * 1000,
        "p99_ms": percentile(load.seconds, 0.99) * 1000,
        "max_ms": max(load.seconds) * 1000,
    }


def main() -> None:
    """A JSON job on stdin: port, count, shops, first_id, connections, rate; or requests."""
    job = json.load(sys.stdin)
    host = f"127.0.0.1:{job['port']}"
    if "requests" in job:
        requests = [text.encode() for text in job["requests"]]
    else:
        requests = list(orders.webhooks(job["count"], job["shops"], job["first_id"], host))
    print(json.dumps({"ready": len(requests)}), flush=True)
    sys.stdin.close()
    result = uvloop.run(
        run("127.0.0.1", job["port"], requests, job["connections"], job.get("rate", 0))
    )
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
