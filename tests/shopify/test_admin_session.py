"""What a request inside admin gets that proves who asks, and each that does not."""

import base64
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from starlette.requests import Request
from starlette.responses import Response

from app.errors import BadInputError
from app.shopify import admin_session
from app.shopify.verify import Staff
from tests.shopify.signing import ALICE, CLIENT_ID, UNKNOWN, extension_token, id_token, off

HOST = base64.b64encode(b"admin.shopify.com/store/alice").decode().rstrip("=")
STAFF = Staff(ALICE, "42", "session-1")
RETRY = "x-shopify-retry-invalid-session-request"


def request(
    path: str = "/", query: str = "", method: str = "GET", config=None, **headers: str
) -> Request:
    named = [
        (name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()
    ]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": named,
        "server": ("app.example", 443),
        "scheme": "https",
        "state": {"config": config},
    }
    return Request(scope)


def launched(**changed: str) -> str:
    return urlencode({"shop": ALICE, "host": HOST, "embedded": "1", "locale": "en", **changed})


def encoded(place: str) -> str:
    return base64.b64encode(place.encode()).decode().rstrip("=")


async def answered(request: Request, config) -> Response:
    answer = await admin_session.authenticate(request, config)
    assert isinstance(answer, Response)
    return answer


# documents


async def test_a_document_with_a_valid_id_token_is_its_staffs(config):
    query = launched(id_token=id_token())
    assert await admin_session.authenticate(request(query=query), config) == STAFF


async def test_the_shop_comes_from_the_token_and_never_from_the_address(config):
    query = launched(id_token=id_token(), shop="charlie.myshopify.com")
    assert await admin_session.authenticate(request(query=query), config) == STAFF


@pytest.mark.parametrize(
    "token", [None, "", "x", id_token(UNKNOWN), id_token(exp=off(-60)), extension_token()]
)
async def test_a_document_without_a_valid_id_token_goes_to_the_patch_page(config, token):
    query = "q=a%20b&" + launched() if token is None else f"id_token={token}&q=a%20b&" + launched()
    answer = await answered(request("/customers/7", query), config)
    assert answer.status_code == 302
    path, _, sent = answer.headers["location"].partition("?")
    assert path == "/auth/patch-id-token"
    kept = "q=a%20b&" + launched()
    assert sent == kept + "&shopify-reload=" + quote(f"/customers/7?{kept}", safe="")


async def test_a_document_without_any_parameter_comes_back_without_any(config):
    answer = await answered(request("/program"), config)
    assert answer.headers["location"] == "/auth/patch-id-token?shopify-reload=%2Fprogram"


async def test_a_reload_given_by_the_visitor_is_not_kept(config):
    answer = await answered(
        request("/", launched() + "&shopify-reload=https%3A%2F%2Fevil.example"), config
    )
    assert "evil" not in answer.headers["location"]


@pytest.mark.parametrize(
    "name", ["shopify%2Dreload", "shopify-relo%61d", "%73hopify%2dreload", "id%5Ftoken"]
)
async def test_a_name_written_in_another_way_is_the_same_name(config, name):
    answer = await answered(
        request("/", f"{name}=https%3A%2F%2Fevil.example&" + launched()), config
    )
    assert "evil" not in answer.headers["location"]
    assert answer.headers["location"].count("reload") == 1


@pytest.mark.parametrize("name", ["id_token", "shop", "host", "embedded", "shopify-reload"])
@pytest.mark.parametrize("again", [str, lambda name: name.replace(name[2], f"%{ord(name[2]):02x}")])
async def test_a_parameter_that_decides_must_come_once(config, name, again):
    query = f"{name}=one&{again(name)}=two"
    with pytest.raises(BadInputError, match=f"{name} came several times"):
        await admin_session.authenticate(request(query=query), config)
    with pytest.raises(BadInputError, match=f"{name} came several times"):
        await admin_session.patch_page(request("/auth/patch-id-token", query, config=config))


async def test_no_answer_about_tokens_is_kept_by_a_browser(config):
    for asked in (
        request(query=launched()),
        request(Authorization="Bearer x"),
        request(query=launched(embedded="0")),
    ):
        assert (await answered(asked, config)).headers["cache-control"] == "no-store"


# outside the frame


@pytest.mark.parametrize("embedded", ["0", "", "true"])
@pytest.mark.parametrize("token", ["", id_token()])
async def test_a_document_outside_the_frame_is_sent_into_admin(config, embedded, token):
    answer = await answered(request(query=launched(embedded=embedded, id_token=token)), config)
    assert answer.status_code == 302
    assert answer.headers["location"] == f"https://admin.shopify.com/store/alice/apps/{CLIENT_ID}"


async def test_an_older_host_names_the_shop_itself(config):
    answer = await answered(
        request(query=launched(embedded="0", host=encoded(f"{ALICE}/admin"))), config
    )
    assert answer.headers["location"] == f"https://{ALICE}/admin/apps/{CLIENT_ID}"


@pytest.mark.parametrize(
    "place",
    [
        "evil.example",
        "admin.shopify.com.evil.example/store/a",
        "admin.shopify.com@evil.example",
        "evil.example/admin",
        "admin.shopify.com/store/../..",
        f"{ALICE}@evil.example/admin",
        f"{ALICE}/admin\n",
        "admin.shopify.com/store/a/x",
        "admin.shopify.com",
        "",
    ],
)
async def test_a_host_that_is_not_shopifys_leads_nowhere(config, place):
    answer = await answered(request(query=launched(embedded="0", host=encoded(place))), config)
    assert urlsplit(answer.headers["location"])[:3] == ("", "", "/auth/patch-id-token")


@pytest.mark.parametrize("host", ["é", "====", "a", "\u0661", "%00"])
async def test_a_host_that_is_not_base64_leads_nowhere(config, host):
    answer = await answered(request(query=launched(embedded="0", host=host)), config)
    assert answer.headers["location"].startswith("/auth/patch-id-token?")


async def test_app_bridges_own_fetch_gets_a_page_where_a_browser_gets_a_redirect(config):
    bounced = request(query=launched(), Authorization=f"Bearer {id_token()}", X_Shopify_Bounce="1")
    answer = admin_session.redirect(
        bounced, "https://admin.shopify.com/store/alice/</script>", config
    )
    assert answer.status_code == 200
    page = bytes(answer.body).decode()
    assert f'data-api-key="{CLIENT_ID}"' in page
    assert "open(\"https://admin.shopify.com/store/alice/\\u003c/script>\", '_top')" in page
    assert f"frame-ancestors https://{ALICE} " in answer.headers["content-security-policy"]
    answer = admin_session.redirect(request(query=launched()), "/program", config)
    assert (answer.status_code, answer.headers["location"]) == (302, "/program")


# fetches


async def test_a_fetch_with_a_valid_bearer_token_is_its_staffs(config):
    for scheme in ("Bearer", "bearer"):
        assert (
            await admin_session.authenticate(
                request(Authorization=f"{scheme} {id_token()}"), config
            )
            == STAFF
        )


@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer x", f"Basic {id_token()}", f"Bearer {id_token(exp=off(-60))}", ""]
)
async def test_a_fetch_without_a_valid_token_is_told_to_try_again_with_a_fresh_one(config, value):
    query = launched(id_token=id_token())
    answer = await answered(request(query=query, Authorization=value), config)
    assert answer.status_code == 401
    assert answer.headers[RETRY] == "1"
    assert b'"unauthorized"' in answer.body


@pytest.mark.parametrize(
    "asked",
    [
        {"method": "POST"},
        {"method": "DELETE"},
        {"HX_Request": "true"},
        {"Sec_Fetch_Dest": "empty"},
    ],
)
async def test_whatever_is_no_document_must_bring_its_token_as_bearer(config, asked):
    """A token in the address could come from a link: it must not be enough to change anything."""
    answer = await answered(request(query=launched(id_token=id_token()), **asked), config)
    assert answer.status_code == 401
    assert answer.headers[RETRY] == "1"


async def test_the_token_that_is_exchanged_is_the_one_that_was_checked(config):
    token = id_token()
    assert admin_session.id_token(request(query=launched(id_token=token))) == token
    assert (
        admin_session.id_token(
            request(query=launched(id_token="other"), Authorization=f"Bearer {token}")
        )
        == token
    )
    assert admin_session.id_token(request(query=launched(id_token=token), method="POST")) == ""


# the patch page


async def test_the_patch_page_is_app_bridge_and_nothing_else(config):
    query = urlencode({"shop": "Alice.myshopify.com", "shopify-reload": "/customers?q=a%20b"})
    answer = await admin_session.patch_page(request("/auth/patch-id-token", query, config=config))
    assert answer.status_code == 200
    assert answer.body.decode() == (
        f'<script data-api-key="{CLIENT_ID}" '
        'src="https://cdn.shopify.com/shopifycloud/app-bridge.js"></script>'
    )
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"] == (
        f"frame-ancestors https://{ALICE} https://admin.shopify.com http://localhost:8100;"
    )


async def test_what_leads_to_the_patch_page_is_what_it_takes(config):
    answer = await answered(request("/customers/ä b", launched(q="ü&/")), config)
    location = urlsplit(answer.headers["location"])
    assert (
        await admin_session.patch_page(request(location.path, location.query, config=config))
    ).status_code == 200
    reload = dict(parse_qsl(location.query))["shopify-reload"]
    assert reload == f"/customers/{quote('ä b')}?{launched(q='ü&/')}"


@pytest.mark.parametrize(
    "query",
    [
        "",
        f"shop={ALICE}",
        "shopify-reload=%2F",
        f"shop={ALICE}&shopify-reload=",
        "shop=&shopify-reload=%2F",
        "shop=evil.example&shopify-reload=%2F",
        f"shop={ALICE}%20https%3A%2F%2Fevil.example&shopify-reload=%2F",
        f"shop={ALICE}%3B%20script-src%20*&shopify-reload=%2F",
        f"shop={ALICE}%0A&shopify-reload=%2F",
        f"shop={ALICE}&shopify-reload=%2F%2Fevil.example",
        f"shop={ALICE}&shopify-reload=%2F%5Cevil.example",
        f"shop={ALICE}&shopify-reload=https%3A%2F%2Fevil.example",
        f"shop={ALICE}&shopify-reload=javascript%3Aalert(1)",
        f"shop={ALICE}&shopify-reload=%2F%09%2Fevil.example",
        f"shop={ALICE}&shopify-reload=%0A%2F%2Fevil.example",
    ],
)
async def test_the_patch_page_takes_only_a_shop_and_a_path_of_ours(config, query):
    with pytest.raises(BadInputError) as refused:
        await admin_session.patch_page(request("/auth/patch-id-token", query, config=config))
    assert refused.value.status == 400


# every document


def test_a_document_may_be_framed_by_its_shop_and_admin_alone(config):
    headers = admin_session.document_headers(ALICE, config)
    assert headers["Content-Security-Policy"].startswith(
        f"frame-ancestors https://{ALICE} https://admin.shopify.com "
    )
    assert "<https://cdn.shopify.com>; rel=preconnect" in headers["Link"]
    assert (
        "<https://cdn.shopify.com/shopifycloud/app-bridge.js>; rel=preload; as=script"
        in headers["Link"]
    )
    assert headers["Link"].count("preconnect") == 1
