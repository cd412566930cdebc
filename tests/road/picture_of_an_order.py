"""`python -m tests.road.picture_of_an_order`: draws the trace of one order as
docs/trace-of-an-order.png.
"""

import re

from app.config import ROOT
from ops import traces
from tests.browser.merchant import chromium
from tests.faults.test_campaigns_away import for_orders
from tests.living import living
from tests.receiver import receiving
from tests.road.test_one_trace import whole_order

BONUS = 25  # of the campaign that runs
STYLE = "body{margin:0;padding:18px 12px;background:#fff;width:max-content}"


def main() -> None:
    with receiving() as collector:
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_SAMPLER_ARG": "0"}
        with living(**traced) as stack:
            for_orders(stack, "Always more")
            whole_order(stack, collector, BONUS)  # warms caches; the second is drawn
            drawn = traces.draw(whole_order(stack, collector, BONUS))
    size = re.search(r'width="(\d+)" height="(\d+)"', drawn)
    assert size
    width, height = int(size[1]) + 24, int(size[2]) + 36
    with chromium() as browser:
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_content(f"<!doctype html><style>{STYLE}</style>{drawn}")
        page.screenshot(path=ROOT / "docs" / "trace-of-an-order.png")


if __name__ == "__main__":
    main()
