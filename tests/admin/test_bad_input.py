"""Bad input from staff, or in their name: the right status, a plain sentence, one log line,
nothing half-written.
"""

import uuid

import pytest
from structlog.testing import capture_logs

from tests.points.world import BOB, figures, one
from tests.storefront.callers import CHARLIE, earn

CHARLIES = "charlie.myshopify.com"
ODD = (
    '"O\'Brien" <script>alert(1)</script> '
    "\u202e\u0645\u0631\u062d\u0628\u0627\u202c 𝄞🛍 {{7*7}} %s \\"
)


async def test_a_page_without_a_token_is_one_line(http) -> None:
    for kind, status in (({}, 302), ({"Authorization": "Bearer forged.for.nobody"}, 401)):
        with capture_logs() as lines:
            answer = await http.get("/customers", headers=kind)
        assert answer.status_code == status
        assert [(line["event"], line["status"]) for line in lines] == [("request", status)]
        assert lines[0]["reason"].endswith(".")


@pytest.mark.parametrize("customer_id", [CHARLIE, "7001'--", "9" * 21, "%00", "..%2f..%2fetc"])
async def test_a_customer_who_is_not_there_is_one_line(alice, customer_id: str) -> None:
    await alice.get("/customers")  # so that no connection has to be made within the deadline
    await earn("10.00", CHARLIE, CHARLIES)
    with capture_logs() as lines:
        answer = await alice.get(f"/customers/{customer_id}")
    assert answer.status_code == 404
    assert [line["event"] for line in lines] == ["request"]


@pytest.mark.parametrize(
    "points", ["0", "-0", "1.5", "1e3", "abc", "", "9" * 13, "1000001", "-1000001", "\u0663", "-11"]
)
async def test_an_adjustment_of_no_sensible_number_moves_nothing(alice, points: str) -> None:
    await earn("10.00")
    answer = await alice.post(
        f"/customers/{BOB}/adjust", points=points, reason=ODD, key=str(uuid.uuid4())
    )
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text, "what was typed is shown again, as text"
    assert await figures() == {"available": 10}


@pytest.mark.parametrize("letter", ["0", "9" * 19, "9" * 30, "9" * 5_000, "1x", "%00"])
async def test_a_dead_letter_with_no_number_is_not_found(alice, letter: str) -> None:
    answer = await alice.post(f"/health/replay/{letter}")
    assert answer.status_code == 404


@pytest.mark.parametrize("search", [ODD, "\x00", "%", "_", "\\", "' OR 1=1 --", "x" * 5_000])
@pytest.mark.parametrize("sort", ["points", "name; DROP TABLE members", "\x00"])
async def test_a_search_for_anything_finds_only_what_matches(alice, search: str, sort: str) -> None:
    await earn("10.00")
    answer = await alice.get("/customers", q=search, sort=sort, after="9" * 40)
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert ("Bob Buyer" in answer.text) == (search == "\x00"), (
        "nothing typed shows everybody, no wildcard does"
    )


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (f"{FORM}; charset=utf-7", b"points=5&reason=why&key=12345678"),
        (f"{FORM}; charset=\x00", b"points=5&reason=why&key=12345678"),
        (f"{FORM}; charset=undefined", b"points=5&reason=why&key=12345678"),
        ("multipart/form-data; boundary=x; charset=idna", b"--x--"),
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=x", b"no form at all"),
        (FORM, b"&".join(b"field%d=1" % number for number in range(100))),
    ],
)
async def test_a_form_that_cannot_be_read_is_400_and_moves_nothing(alice, kind, body) -> None:
    headers = {"Content-Type": kind.encode("latin-1"), "Authorization": f"Bearer {alice.token()}"}
    answer = await alice.http.post(f"/customers/{BOB}/adjust", content=body, headers=headers)
    assert answer.status_code == 400
    assert await one("SELECT count(*) FROM members") == 0


@pytest.mark.parametrize("kind", [FORM, f"{FORM}; charset=UTF-8", f'{FORM}; charset="utf8"'])
async def test_bytes_that_are_no_utf8_are_no_error_of_ours(alice, kind: str) -> None:
    headers = {"Content-Type": kind, "Authorization": f"Bearer {alice.token()}"}
    body = b"points=\xff\xfe&reason=%ff%fe&key=%ed%a0%80"
    answer = await alice.http.post(f"/customers/{BOB}/adjust", content=body, headers=headers)
    assert answer.status_code in {404, 422}


async def test_no_form_is_read_for_a_stranger(alice, http) -> None:
    async def form():
        raise AssertionError("the body of a stranger was read")
        yield b""

    answer = await http.post(
        f"/customers/{BOB}/adjust", content=form(), headers={"Content-Type": FORM}
    )
    assert answer.status_code == 401


async def test_a_form_over_sixty_four_kilobytes_is_refused_unread(alice) -> None:
    headers = {"Content-Type": FORM, "Authorization": f"Bearer {alice.token()}"}

    async def pieces():
        for _ in range(9):
            yield b"x" * 8_192

    for content in (b"x" * (64 * 1024 + 1), pieces()):
        answer = await alice.http.post(f"/customers/{BOB}/adjust", content=content, headers=headers)
        assert answer.status_code == 413
        assert "larger than 64 KB" in answer.text
