"""Who asks and how, where somebody stands before web and says so."""

import pytest
from starlette.requests import Request

from app.points.pages import api, ways


def request(*headers: tuple[str, str]) -> Request:
    return Request(
        {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": "/ways",
            "query_string": b"",
            "root_path": "",
            "server": ("127.0.0.1", 8000),
            "client": ("10.0.0.1", 1),
            "headers": [
                (name.encode(), value.encode())
                for name, value in (("host", "app.example.com"), *headers)
            ],
        }
    )


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([], "10.0.0.1"),
        (["9.9.9.9"], "9.9.9.9"),
        (["1.2.3.4, 9.9.9.9"], "9.9.9.9"),
        (["1.2.3.4", "9.9.9.9"], "9.9.9.9"),  # a line of its own is added last, too
    ],
)
def test_a_limit_by_address_believes_the_last_who_said_it(lines: list[str], found: str) -> None:
    assert api._from(request(*[("x-forwarded-for", one) for one in lines])) == found


def test_the_address_that_merchants_are_shown_is_the_worlds() -> None:
    assert ways._endpoint(request()) == "http://app.example.com"
    secure = request(("x-forwarded-proto", "https"))
    assert ways._endpoint(secure) == "https://app.example.com"
    strange = request(("x-forwarded-proto", "javascript"))
    assert ways._endpoint(strange) == "http://app.example.com"
