"""What browsers fetch: kept for a year under an address that names the contents, compressed for who
takes that, and little of it.
"""

import gzip
import re
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers

from app import config as settings
from app import main
from app.db import Stores
from app.web import files, views
from app.web.middleware import COMPRESSED_MIN_BYTES

STYLE = "app.css"


@pytest.fixture
async def http(config: settings.Config, stores: Stores):
    app = main.create_app(config)
    state = main.state(config, stores, None)  # type: ignore[arg-type] - nobody calls Shopify here

    async def with_state(scope, receive, send) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    transport = httpx2.ASGITransport(app=with_state)
    async with httpx2.AsyncClient(transport=transport, base_url="http://app") as client:
        yield client


async def test_an_address_that_names_the_contents_is_kept_for_a_year_and_no_other(http) -> None:
    named = await http.get(files.address(STYLE))
    assert named.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert named.text == (settings.ROOT / "static" / STYLE).read_text()
    plain = await http.get(f"/static/{STYLE}")
    assert plain.headers["cache-control"] == "public, max-age=300"
    assert plain.headers["access-control-allow-origin"] == "*"
    other = await http.get(f"/static/{STYLE}?v=0123456789ab")
    assert other.headers["cache-control"] == "no-cache", "another release's name is not this one's"
    assert other.content == named.content


async def test_every_address_on_a_page_names_its_contents(http) -> None:
    html = views.environment.get_template("stranger.html").render(heading="", message="", home="")
    found = re.findall(r'"(/static/[^"]+)"', html)
    assert len(found) >= 2
    for address in found:
        assert "immutable" in (await http.get(address)).headers["cache-control"], address


async def test_a_file_one_has_already_does_not_travel_again_in_either_form(http) -> None:
    for encoding in ("gzip", "identity"):
        headers = {"accept-encoding": encoding}
        first = await http.get(f"/static/{STYLE}", headers=headers)
        etag = first.headers["etag"]
        for known in (etag, f"W/{etag}", f'"other", {etag}'):
            again = await http.get(f"/static/{STYLE}", headers={**headers, "if-none-match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["cache-control"] == first.headers["cache-control"]
        changed = await http.get(f"/static/{STYLE}", headers={**headers, "if-none-match": '"x"'})
        assert changed.status_code == 200


@pytest.mark.parametrize(
    ("accepted", "is_taken"),
    [
        ("gzip", True),
        ("br, gzip;q=0.8", True),
        ("GZIP", True),
        ("deflate, *", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("br", False),
        ("identity", False),
        ("nogzip", False),
        ("gzip;q=nonsense", False),
        ("", False),
    ],
)
def test_compressed_is_for_who_takes_it(accepted: str, is_taken: bool) -> None:
    assert files.accepts_gzip(Headers({"accept-encoding": accepted})) is is_taken


async def test_files_pages_and_answers_are_compressed_and_small_ones_are_not(http) -> None:
    for path in (f"/static/{STYLE}", "/static/vendor/htmx.min.js", "/metrics"):
        sent = await http.get(path, headers={"accept-encoding": "gzip"})
        assert sent.headers["content-encoding"] == "gzip", path
        assert "Accept-Encoding" in sent.headers["vary"]
        assert int(sent.headers["content-length"]) < len(sent.content) / 2
        plain = await http.get(path, headers={"accept-encoding": "gzip;q=0"})
        assert "content-encoding" not in plain.headers
    small = await http.get("/storefront/me", headers={"accept-encoding": "gzip"})
    assert len(small.content) < COMPRESSED_MIN_BYTES
    assert "content-encoding" not in small.headers


async def test_a_webhook_is_answered_before_all_of_that(http) -> None:
    refused = await http.post("/webhooks", content=b"{}", headers={"accept-encoding": "gzip"})
    assert refused.status_code == 400
    assert not {"vary", "content-encoding"} & set(refused.headers)


async def test_a_request_compressed_or_not_is_accounted_to_its_route(
    config: settings.Config, stores: Stores
) -> None:
    app: Starlette = main.create_app(config)
    seen = []
    for encoding in (b"gzip", b"gzip;q=0"):
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/metrics",
            "query_string": b"",
            "headers": [(b"accept-encoding", encoding)],
            "client": ("127.0.0.1", 1),
            "state": main.state(config, stores, None),  # type: ignore[arg-type]
        }

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(_message: object) -> None: ...

        await app(scope, receive, send)
        seen.append(scope["route"].path)  # type: ignore[attr-defined]
    assert seen == ["/metrics", "/metrics"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_static_files_are_read_only(http, method: str) -> None:
    refused = await http.request(method, f"/static/{STYLE}")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    assert (await http.head(f"/static/{STYLE}")).content == b""


def test_a_script_names_the_files_beside_it_by_what_they_hold(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.js").write_text('import("./b.js"); say("./none.js"); say("./c/de.json")')
    (tmp_path / "in" / "b.js").write_text('import "./style.js"')
    (tmp_path / "in" / "style.js").write_text("1")
    before = files.read(tmp_path)
    digests = {name: one.digest for name, one in before.items()}
    assert before["in/a.js"].body == (
        b'import("./b.js?v=%b"); say("./none.js"); say("./c/de.json")' % digests["in/b.js"].encode()
    )
    (tmp_path / "in" / "style.js").write_text("2")
    after = files.read(tmp_path)
    for name, digest in digests.items():
        assert after[name].digest != digest, "a change below changes all names above"


def test_what_is_sent_compressed_is_the_file() -> None:
    for name, one in files.known.items():
        if one.gzipped is not None:
            assert gzip.decompress(one.gzipped) == one.body, name
