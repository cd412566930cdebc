"""What the widget costs a page, in bytes as they come over the wire, headers and all."""

import re
import socket
from urllib.parse import urlsplit

from tests.browser.fake_shop import ROOT
from tests.stack import SHOP, Stack
from tests.storefront.callers import proxied

FIRST_LOAD_MAX_BYTES = 15 * 1024
PANEL_MAX_BYTES = 28 * 1024
PANEL = [
    "./view.js",
    "./account.js",
    "./acts.js",
    "./earning.js",
    "./offers.js",
    "./sharing.js",
    "./standing.js",
    "./style.js",
    "./words.js",
    "./writing.js",
]
BROWSER = (
    "accept-encoding: gzip, deflate, br, zstd\r\naccept: */*\r\naccept-language: en-US,en;q=0.9\r\n"
)


def fetch(stack: Stack, path: str) -> tuple[bytes, bytes, int]:
    """Head, body and how many bytes came, of an answer on a connection of its own."""
    where = urlsplit(stack.app_url)
    with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
        request = f"GET {path} HTTP/1.1\r\nhost: app\r\nconnection: close\r\n{BROWSER}\r\n"
        connection.sendall(request.encode())
        came = b""
        while part := connection.recv(65_536):
            came += part
    head, _, body = came.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    return head, body, len(came)


def test_a_page_with_the_widget_pays_at_most_15_kilobytes_and_the_panel_comes_when_opened(
    stack: Stack,
) -> None:
    hugo = stack.customer("Hugo", SHOP)
    stack.order(hugo, "640.00")
    stack.wait_for_points(hugo, 640)
    script, _, script_bytes = fetch(stack, "/static/widget/holdfast.js")
    _, me, me_bytes = fetch(stack, proxied("/storefront/me", hugo, SHOP))
    assert me
    assert b"content-encoding: gzip" in script
    assert b"max-age=300" in script, "the address that stands in themes never changes"
    assert script_bytes + me_bytes <= FIRST_LOAD_MAX_BYTES
    for language in ("de", "es", "fr"):
        words = fetch(stack, address(stack, f"./locales/{language}.json"))[2]
        assert script_bytes + me_bytes + words <= FIRST_LOAD_MAX_BYTES, language

    panel_bytes = 0
    for name in PANEL:
        head, _, came = fetch(stack, address(stack, name))
        assert b"immutable" in head, "fetched once a year at most"
        panel_bytes += came
    assert panel_bytes <= PANEL_MAX_BYTES


def address(stack: Stack, name: str) -> str:
    """As the script that names it does, with the digest of its contents."""
    for script in ("holdfast.js", "view.js", "account.js"):
        with_digest = stack.http.get(f"{stack.app_url}/static/widget/{script}").text
        if found := re.search(rf'"{re.escape(name)}(\?v=[0-9a-f]+)"', with_digest):
            assert (ROOT / "static" / "widget" / name).exists()
            return f"/static/widget/{name[2:]}{found[1]}"
    raise AssertionError(f"no script names {name}")
