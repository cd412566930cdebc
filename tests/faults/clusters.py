"""A Redis Cluster of a test's own: three primaries, each with a replica."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from local import servers
from tests.faults.redises import OwnRedis
from tests.waiting import wait_for

PRIMARIES, SLOTS = 3, 16_384
# A node's bus is 10,000 higher: there nobody picks a port, neither servers (up to 32,000) nor the
# kernel for what goes out (from 32,768 on).
NODE_PORTS = range(22_001, 22_768)
OPTIONS = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1500", "--appendonly", "no")
WHOLE_SECONDS = 60.0


class Cluster:
    """Started with the object, ended by `stop`."""

    def __init__(
        self, directory: Path, make: Callable[..., OwnRedis] = OwnRedis, *options: str
    ) -> None:
        names = [f"node-{at}" for at in range(2 * PRIMARIES)]
        self.nodes = [_node(make, directory / name, *options) for name in names]
        try:
            self._join()
        except BaseException:
            self.stop()
            raise

    def _join(self) -> None:
        share = -(-SLOTS // PRIMARIES)
        for at, primary in enumerate(self.nodes[:PRIMARIES]):
            with primary.client() as client:
                last = min(SLOTS, (at + 1) * share)
                client.execute_command("CLUSTER ADDSLOTS", *range(at * share, last))
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", at + 1)
        with self.nodes[0].client() as client:
            for other in self.nodes[1:]:
                client.execute_command("CLUSTER MEET", "127.0.0.1", other.port)
        wait_for("all know each other", lambda: self._all_say("cluster_known_nodes", "6"), 30)
        for primary, replica in zip(self.nodes[:PRIMARIES], self.nodes[PRIMARIES:], strict=True):
            with primary.client(decode_responses=True) as client:
                name = client.execute_command("CLUSTER MYID")
            with replica.client() as client:
                client.execute_command("CLUSTER REPLICATE", name)
        wait_for("the cluster is whole", self.is_whole, WHOLE_SECONDS)

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.nodes[:PRIMARIES])
        return f"redis+cluster://{hosts}"

    def is_whole(self) -> bool:
        """Whether every slot is served, and three have a replica in step."""
        replicas = 0
        for one in self._living():
            with one.client(decode_responses=True) as client:
                info: Any = client.info("replication")
                replicas += info["role"] == "slave" and info["master_link_status"] == "up"
        is_ok = self._all_say("cluster_state", "ok")
        return is_ok and self._all_say("cluster_slots_ok", str(SLOTS)) and replicas == PRIMARIES

    def keys(self) -> Iterator[tuple[str, int]]:
        """Every key of every primary, and for how many milliseconds it is kept (-1: for ever)."""
        for one in self._living():
            with one.client(decode_responses=True) as client:
                if client.role()[0] != "master":
                    continue
                for key in client.scan_iter(count=1000):
                    yield key, client.pttl(key)

    def _living(self) -> list[OwnRedis]:
        return [one for one in self.nodes if one.process.poll() is None]

    def _all_say(self, field: str, value: str) -> bool:
        for one in self._living():
            with one.client(decode_responses=True) as client:
                info: Any = client.execute_command("CLUSTER INFO")
            said = info if isinstance(info, dict) else _parsed(info)
            if str(said[field]) != value:
                return False
        return True

    def stop(self) -> None:
        for one in self.nodes:
            one.resume()
            one.kill()


def _parsed(text: str) -> dict[str, str]:
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def _node(make: Callable[..., OwnRedis], directory: Path, *options: str) -> OwnRedis:
    port = servers.free_port()
    while port not in NODE_PORTS:
        port = servers.free_port()
    return make(directory, *OPTIONS, *options, port=port)
