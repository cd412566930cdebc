"""Writes the configuration of supervisord for `make run` and talks to it over its Unix socket."""

import http.client
import shlex
import socket
import xmlrpc.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HEADER = """[supervisord]
nodaemon=true
{user}logfile={data}/logs/supervisord.log
pidfile={data}/supervisord.pid
childlogdir={data}/logs
silent=true

[unix_http_server]
file={socket}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

PROGRAM = """
[program:{name}]
command={command}
directory={root}
environment={environment}
autostart=false
autorestart=true
startsecs=1
startretries=1000000
stopsignal={signal}
stopwaitsecs=7
killasgroup=true
redirect_stderr=true
stdout_logfile={data}/logs/{name}.log
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=1
"""


def _escape(value: str) -> str:
    return value.replace("%", "%%")


def configuration(
    data: Path,
    socket_path: Path,
    programs: Mapping[str, list[str]],
    environment: Mapping[str, str],
    *,
    root: bool,
) -> str:
    """supervisord.conf: we start every program, it keeps it alive, each can be stopped."""
    pairs = ",".join(f'{name}="{_escape(value)}"' for name, value in environment.items())
    text = HEADER.format(data=data, socket=socket_path, user="user=root\n" if root else "")
    for name, command in programs.items():
        text += PROGRAM.format(
            name=name,
            command=_escape(shlex.join(command)),
            root=Path(__file__).resolve().parent.parent,
            environment=pairs,
            data=data,
            signal="INT" if name == "postgres" else "TERM",  # INT: PostgreSQL's fast shutdown
        )
    return text


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self.path))
        except OSError:
            self.sock.close()
            raise


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__()
        self.path, self.timeout_seconds = path, timeout_seconds

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        self.close()
        connection = _UnixConnection(self.path, self.timeout_seconds)
        self._connection = host, connection  # what close() closes
        return connection


def connect(socket_path: Path, timeout_seconds: float = 15.0) -> Any:
    """The `supervisor` namespace of the running supervisord, as plain method calls."""
    proxy = xmlrpc.client.ServerProxy(
        "http://localhost", transport=_UnixTransport(socket_path, timeout_seconds)
    )
    return proxy.supervisor


@contextmanager
def session(socket_path: Path, timeout_seconds: float = 15.0) -> Iterator[Any]:
    """As `connect`, with the connection closed at the end."""
    transport = _UnixTransport(socket_path, timeout_seconds)
    with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as proxy:
        yield proxy.supervisor
