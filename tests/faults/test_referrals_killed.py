"""Many friends and two advocates at once, with the processes that take their claims killed."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.test_referrals_down import let_hours_pass, link_of, new_member, sql
from tests.stack import Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.long
SETTLED = {200, 202, 422}
ROUNDS_MAX = 60


def test_a_hundred_friends_and_two_advocates_at_once_with_the_process_killed_in_the_middle(
    whole_stack: Stack,
) -> None:
    stack = whole_stack
    stack.install()
    let_hours_pass(stack)
    links = [link_of(stack, new_member(stack)) for _ in range(2)]
    run = uuid.uuid4().hex[:6]
    friends = [f"f{number}.{run}@example.org" for number in range(100)]
    both = [f"both{number}.{run}@example.org" for number in range(5)]
    # each of the hundred by the first link; each of the five by both of them
    asked = [(links[0], one) for one in friends] + [(link, one) for one in both for link in links]

    def tries(one: tuple[str, str]) -> int:
        """The status of the answer; 0 for none, such as of a process that was killed."""
        number = uuid.uuid4().int
        headers = {"X-Forwarded-For": f"198.51.{number % 250}.{number // 250 % 250}"}
        headers["User-Agent"] = f"Safari {number % 1_000}"
        try:
            answer = stack.proxy(
                "POST", f"/storefront/r/{one[0]}", None, data={"email": one[1]}, headers=headers
            )
        except OSError:
            return 0
        except Exception as error:
            if "httpx" not in type(error).__module__:
                raise
            return 0
        return int(answer.status_code)

    with ThreadPoolExecutor(6) as pool:
        first = [pool.submit(tries, one) for one in asked]
        wait_for("some are through", lambda: sum(one.done() for one in first) > 20, 60)
        stack.kill("web", "referrals")
        stack.start("web", "referrals")
        for each in first:
            each.result()
        # whoever is told that it could not be saved sends it again in a moment, as they are told to
        left = [one for one, each in zip(asked, first, strict=True) if each.result() not in SETTLED]
        for _ in range(ROUNDS_MAX):
            again = list(pool.map(tries, left))
            left = [one for one, status in zip(left, again, strict=True) if status not in SETTLED]
            if not left:
                break
            time.sleep(2)
    assert left == []
    of_run = f"%.{run}@example.org"
    count = "SELECT count(*) FROM referrals WHERE friend_email LIKE $1 AND state <> 'lapsed'"
    assert sql(stack, f"{count} AND verdict <> 'block'", of_run) == 105
    assert sql(stack, f"{count} AND verdict = 'allow'", of_run) <= 10 + 10, "ten of a link an hour"
    friends_of = (
        "SELECT count(DISTINCT friend_email) FROM referrals "
        "WHERE friend_email LIKE $1 AND verdict <> 'block'"
    )
    assert sql(stack, friends_of, of_run) == 105, "of two advocates one has each of the five"
    wait_for(
        "every code is made",
        lambda: sql(stack, f"{count} AND code_state = 'making'", of_run) == 0,
        120,
    )
    codes = "SELECT count(code) - count(DISTINCT code) FROM referrals WHERE friend_email LIKE $1"
    assert sql(stack, codes, of_run) == 0
