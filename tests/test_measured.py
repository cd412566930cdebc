"""What is measured: every page of admin stands in the benchmark of pages."""

from starlette.routing import Route

from app.config import Config
from app.main import create_app
from benchmarks import whole_pages


def test_every_page_of_admin_is_measured(config: Config) -> None:
    ids = dict.fromkeys(whole_pages.IDS, "1")
    addresses = [one.format(**ids).partition("?")[0] for one in whole_pages.ADDRESSES.values()]
    pages = [
        route
        for route in create_app(config).routes
        if isinstance(route, Route)
        and "GET" in (route.methods or ())
        and hasattr(route.endpoint, "__wrapped__")
        and route.path != "/status"  # what the health page was called before
    ]
    assert len(pages) > 20, "the pages are told from other addresses by what wraps them"
    missing = [
        route.path for route in pages if not any(route.path_regex.match(one) for one in addresses)
    ]
    assert missing == []
