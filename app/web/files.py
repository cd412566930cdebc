"""Files under static/: read once, compressed once, and known by what they hold."""

import gzip
import hashlib
import mimetypes
import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app import config as settings

COMPRESSED_MIN_BYTES = 1_000  # what is smaller travels in one packet either way
PLAIN_CACHE = "public, max-age=300"  # the widget: an update reaches shoppers within five minutes
NAMED_CACHE = "public, max-age=31536000, immutable"  # the address names these very contents
# asked for by a name it does not have here: while a release goes out, the other one is still
# answering, and nobody may keep its contents under the new name
OTHER_CACHE = "no-cache"
_BESIDE = re.compile(rb'"\./([\w./-]+)"')  # how a script names a file beside it
_ACCEPTED = re.compile(
    r"(?:^|,)\s*(?:x-)?(?:gzip|\*)\s*(?:;\s*q=([01](?:\.[0-9]{0,3})?)\s*)?(?=,|$)",
    re.IGNORECASE,
)


class File(NamedTuple):
    body: bytes
    gzipped: bytes | None  # None where that would not be smaller
    digest: str
    media_type: str


class Files:
    """The endpoint of /static, plain ASGI."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in {"GET", "HEAD"}:
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        name = scope["path"].removeprefix(scope["root_path"]).lstrip("/")
        found = known.get(name)
        if found is None:
            raise HTTPException(404)
        await _answer(found, Request(scope))(scope, receive, send)


def address(name: str) -> str:
    """The address of a file under static/, with its contents' digest, so that browsers may keep
    it for ever.
    """
    return f"/static/{name}?v={known[name].digest}"


def accepts_gzip(headers: Headers) -> bool:
    """Whether the asker takes gzip: named, or by `*`, and not with a weight of 0."""
    found = _ACCEPTED.search(headers.get("accept-encoding", ""))
    return found is not None and float(found[1] or 1) > 0


def read(root: Path) -> dict[str, File]:
    """All files below `root` by their names. Scripts call files beside them `"./name"`: they get
    the digest of those in the address, so that these can be kept for ever as well.
    """
    paths = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    files: dict[str, File] = {}

    def add(name: str) -> File:
        if name not in files:
            body = paths[name].read_bytes()
            if name.endswith(".js"):
                body = _BESIDE.sub(lambda found: named(name, found), body)
            files[name] = _file(name, body)
        return files[name]

    def named(script: str, found: re.Match[bytes]) -> bytes:
        beside = str(PurePosixPath(script).parent / found[1].decode())
        if beside not in paths:
            return found[0]
        return b'"./%b?v=%b"' % (found[1], add(beside).digest.encode())

    for name in paths:
        add(name)
    return files


def _file(name: str, body: bytes) -> File:
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    is_text = media_type.startswith("text/") or media_type.endswith(("json", "javascript", "xml"))
    gzipped = None
    if is_text:
        media_type += "; charset=utf-8"
        packed = gzip.compress(body, 9, mtime=0)
        gzipped = packed if len(body) >= COMPRESSED_MIN_BYTES else None
    return File(body, gzipped, hashlib.sha256(body).hexdigest()[:12], media_type)


def _answer(found: File, request: Request) -> Response:
    is_gzipped = found.gzipped is not None and accepts_gzip(request.headers)
    etag = f'"{found.digest}{"-gz" if is_gzipped else ""}"'
    headers = {
        "ETag": etag,
        "Cache-Control": _kept(found, request.query_params.get("v")),
        "Access-Control-Allow-Origin": "*",  # the widget runs on the shop's own domain
    }
    if found.gzipped is not None:
        headers["Vary"] = "Accept-Encoding"
    known_there = request.headers.get("if-none-match", "")
    if etag in (one.strip().removeprefix("W/") for one in known_there.split(",")):
        return Response(status_code=304, headers=headers)
    if is_gzipped:
        headers["Content-Encoding"] = "gzip"
    body = found.gzipped if is_gzipped else found.body
    return Response(body, headers=headers, media_type=found.media_type)


def _kept(found: File, asked: str | None) -> str:
    if asked is None:
        return PLAIN_CACHE
    return NAMED_CACHE if asked == found.digest else OTHER_CACHE


known = read(settings.ROOT / "static")
