"""In a real browser: the admin frames an app as Shopify does, and the "break it" buttons work."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from devstore import main
from local import servers
from tests.devstore.conftest import settings_for
from tests.devstore.test_processes import state_becomes

pytestmark = pytest.mark.browser
PAGE = """<!doctype html><title>Page {path}</title><meta name="shopify-api-key" content="dev-key">
<script src="{bridge}"></script>
<s-app-nav><s-link href="/" rel="home">Home</s-link><s-link
       href="/customers">Customers</s-link></s-app-nav>
<h1>Page {path}</h1><a id="inner" href="/customers?page=2">Page two</a><p id="answer"></p>
<button onclick="shopify.toast.show('Saved')">Toast</button>
<script>
fetch('/api').then((answer) => answer.text()).then((text) =>
       (document.getElementById('answer').textContent = text));
</script>"""


class App:
    """What an embedded app must do at least: ask for a token, and refuse the first fetch once."""

    def __init__(self, bridge: str) -> None:
        self.bridge = bridge
        self.bearers: list[str] = []

    async def api(self, request: Request) -> Response:
        self.bearers.append(request.headers.get("authorization", ""))
        if len(self.bearers) == 1:
            return JSONResponse({}, 401, headers={"X-Shopify-Retry-Invalid-Session-Request": "1"})
        return JSONResponse("signed" if self.bearers[-1].startswith("Bearer ey") else "unsigned")

    async def page(self, request: Request) -> Response:
        path = request.url.path
        if path != "/auth/patch-id-token" and "id_token" not in request.query_params:
            return RedirectResponse(f"/auth/patch-id-token?shop=a&shopify-reload={path}")
        return HTMLResponse(PAGE.format(path=path, bridge=self.bridge))


@contextlib.asynccontextmanager
async def serving(app: Starlette, port: int) -> AsyncIterator[None]:
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, log_level="error", lifespan="on", ws="none")
    )
    server.capture_signals = contextlib.nullcontext  # Ctrl-C belongs to pytest
    with contextlib.suppress(asyncio.CancelledError):
        task = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield
        server.should_exit = True
        await task


@pytest_asyncio.fixture
async def page(chromium: Browser, tmp_path: Path, socket_path: Path) -> AsyncIterator[Page]:
    store_port, app_port = servers.free_port(), servers.free_port()
    app = App(f"http://127.0.0.1:{store_port}/app-bridge.js")
    routes = [Route("/api", app.api), Route("/{path:path}", app.page)]
    settings = settings_for(
        tmp_path, APP_URL=f"http://127.0.0.1:{app_port}", HOLDFAST_SUPERVISOR=str(socket_path)
    )
    async with (
        serving(Starlette(routes=routes), app_port),
        serving(main.make_app(settings), store_port),
    ):
        context = await chromium.new_context(base_url=f"http://127.0.0.1:{store_port}")
        made = await context.new_page()
        made.set_default_timeout(20_000)
        yield made
        await context.close()


async def test_the_app_in_its_frame_gets_tokens_a_menu_toasts_and_an_address_that_survives_reload(
    page: Page,
) -> None:
    await page.goto("/store/alice")
    frame = page.frame_locator("#app-frame")
    await expect(frame.locator("#answer")).to_have_text('"signed"')
    await frame.get_by_role("button", name="Toast").click()
    await expect(page.locator("#toasts")).to_have_text("Saved")
    await page.locator("#app-menu").get_by_role("link", name="Customers").click()
    await expect(frame.locator("h1")).to_have_text("Page /customers")
    await frame.locator("#inner").click()
    await page.wait_for_url("**path=%2Fcustomers%3Fpage%3D2")
    await page.reload()
    await expect(frame.locator("h1")).to_have_text("Page /customers")
    await expect(page.locator("#app-menu a[aria-current]")).to_have_text("Customers")
    assert "id_token" not in page.url


async def test_a_document_without_a_token_comes_back_with_one_through_the_token_page(
    page: Page,
) -> None:
    await page.goto("/store/alice")
    frame = page.frame_locator("#app-frame")
    await expect(frame.locator("#answer")).to_have_text('"signed"')
    await frame.locator("h1").evaluate("() => location.assign('/program')")
    await expect(frame.locator("h1")).to_have_text("Page /program")
    await page.wait_for_url("**path=%2Fprogram")


async def test_the_break_it_buttons_stop_and_start_a_process(page: Page, socket_path: Path) -> None:
    await state_becomes(socket_path, "STOPPED")
    await page.goto("/break")
    row = page.locator("tr[data-process=redis]")
    await row.get_by_role("button", name="Start redis").click()
    await state_becomes(socket_path, "RUNNING")
    await expect(row.locator(".badge")).to_have_text("running")
    await row.get_by_role("button", name="Pause redis").click()
    await expect(row.locator(".badge")).to_have_text("paused")
    await row.get_by_role("button", name="Stop redis").click()
    await state_becomes(socket_path, "STOPPED")
    await expect(page.locator("#said")).to_have_text("redis: stop was asked for.")


async def test_an_order_is_edited_paid_and_given_to_a_customer_by_buttons(page: Page) -> None:
    bob = {"first_name": "Bob", "last_name": "Buyer", "email": "bob@example.com"}
    shop = "/control/shops/alice.myshopify.com"
    await page.request.post(f"{shop}/customers", data=bob)
    sale = {"lines": [{"price": "60.00"}], "source": "pos", "tax_percent": 0}
    order = await (await page.request.post(f"{shop}/orders", data=sale)).json()
    await page.set_viewport_size({"width": 390, "height": 800})
    await page.goto(f"/shops/alice.myshopify.com/orders/{order['id']}")
    said = page.get_by_role("status")
    await page.get_by_label("Price").first.fill("25.00")
    await page.get_by_role("button", name="Add this line").click()
    await expect(said).to_have_text("The line was added.")
    standing = page.get_by_role("region", name="As it now stands")
    await expect(standing.get_by_role("row", name="Still to be paid")).to_contain_text("$25.00")
    await page.get_by_role("button", name="Take the payment").click()
    await expect(said).to_have_text("The order is paid.")
    await page.get_by_role("button", name="Say who bought it").click()
    await expect(said).to_have_text("It was Bob Buyer who bought it.")
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
