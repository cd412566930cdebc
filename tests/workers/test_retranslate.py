"""A shop with a wrong month, repaired: the difference is shown, then points are exact, and a second
time there is nothing.
"""

import asyncio
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, redirect_stdout, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from app import db
from app.config import ROOT
from app.core.models import Shop as CoreShop
from app.errors import HoldfastError
from app.flow import event
from app.flow.bus import consumer
from app.flow.bus.buses import open_bus
from app.flow.kept import runs
from app.points import handlers
from app.points.corrections import reads
from app.points.ledger.audit import Report, walk
from tests.flow.helpers import until
from tests.flow.kept.kept import item, take_in, with_tax_counted
from tests.points.webhooks import Shop, Webhook, line
from tests.points.world import ALICE, figures, one, program
from workers import retranslate

DORA = "dora.myshopify.com"
WHY = "Tax inside prices was counted."

pytestmark = pytest.mark.usefixtures("stores")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "workers.retranslate", *arguments]


async def run(*arguments: str) -> tuple[int, str]:
    done = await asyncio.create_subprocess_exec(
        *command(*arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        said, _ = await asyncio.wait_for(done.communicate(), 100)
    finally:
        with suppress(ProcessLookupError):
            done.kill()
    return done.returncode or 0, said.decode()


async def here(*arguments: str) -> tuple[int, str]:
    """The same in this process, which has the stores open already; a refusal is its own error."""
    said = io.StringIO()
    with patch.object(sys, "argv", ["retranslate", *arguments]), redirect_stdout(said):
        pace = retranslate.Pace(0, asyncio.Event())
        code = await retranslate._main(retranslate._arguments(), pace)
    return code, said.getvalue()


def since(days: float = 40) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


async def look(*arguments: str, calm: str = "0") -> tuple[int, str]:
    """A dry run; its number, and what it says."""
    code, said = await run("--since", since(), "--why", WHY, "--calm", calm, *arguments)
    assert code == 0, said
    found = re.match(r"Run (\d+):", said)
    assert found, said
    return int(found[1]), said


async def read_on(stores: db.Stores) -> None:
    bus = open_bus(stores.config)
    while True:
        await consumer.run_once(handlers.SERVICE, handlers.TOPICS, handlers.handle, bus, stores)
        if (await bus.lag(handlers.SERVICE, handlers.TOPICS)).count == 0:
            return


@asynccontextmanager
async def reading(stores: db.Stores) -> AsyncIterator[None]:
    """Points reads on beside what is done inside."""

    async def go_on() -> None:
        while True:
            await read_on(stores)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()


def taxed(number: int, shop: str = ALICE, *, days_ago: float = 0.0) -> Webhook:
    at = datetime.now(UTC) - timedelta(days=days_ago, hours=1)
    asking = Shop(shop=shop, order_id=number, taxes_included=True, now=at)
    return asking.order("orders/paid", line("120.00", tax="20.00"))


async def install(*shops: str) -> None:
    for shop in shops:
        await CoreShop.create(domain=shop, name=shop, access_token=b"never used here")
        await program(shop)


async def wrong_month(orders: Sequence[int], shop: str = ALICE) -> None:
    for number in orders:
        days_ago = number % 30
        one_ = item(taxed(number, shop, days_ago=days_ago), hours_ago=days_ago * 24 + 0.5)
        await take_in(one_, translate=with_tax_counted)


async def is_sound() -> bool:
    report = Report()
    async for _ in walk(report):
        pass
    return report.is_sound


async def told_again(shop: str = ALICE) -> int:
    async with db.connection() as connection:
        rows = await connection.fetch("SELECT body FROM facts ORDER BY tx, id")
    every = [found for row in rows for found in event.unpack(row["body"])]
    return sum(b'"corrected"' in bytes(one_.data) and one_.shop == shop for one_ in every)


async def test_a_wrong_month_is_shown_repaired_exactly_and_once(stores: db.Stores) -> None:
    await install(ALICE, DORA)
    await wrong_month(range(1, 61))
    for number in range(61, 71):
        await take_in(item(taxed(number)))  # once the fault was mended
        await take_in(item(taxed(number, DORA)))
    await read_on(stores)
    assert await figures() == {"available": 60 * 120 + 10 * 100}
    number, said = await look(ALICE)
    assert "70 webhooks of alice.myshopify.com" in said
    assert "60 of them are told otherwise today, 0 cannot be translated" in said
    assert "60 orders would change, 0 points more and 1,200 less" in said
    assert re.search(r"#\d+ of customer 7001: 120 -> 100 points", said)
    assert WHY in said
    assert f"--apply {number}" in said
    await read_on(stores)
    assert await figures() == {"available": 60 * 120 + 10 * 100}, "a dry run changes nothing"

    async with reading(stores):  # it waits for who is a second behind
        code, said = await run("--apply", str(number), "--calm", "0")
    assert (code, said.count("60 facts told again")) == (0, 1)
    await read_on(stores)
    assert await figures() == {"available": 70 * 100, "reversed": 60 * 20}
    assert await figures(shop=DORA) == {"available": 1_000}
    assert await is_sound()
    found = (await reads.newest(ALICE, None)).corrections
    assert {(one_.before, one_.after, one_.reason) for one_ in found} == {(120, 100, WHY)}
    assert await one("SELECT count(*) FROM corrections") == 60

    rows = await one("SELECT count(*) FROM ledger")
    _, said = await here("--since", since(), "--why", WHY)
    assert "0 of them are told otherwise today" in said
    assert "Nothing would change." in said
    assert "--apply" not in said
    again = said.removeprefix("Run ").split(":")[0]
    assert (await here("--apply", again))[0] == 0
    with pytest.raises(SystemExit, match="cannot be applied"):
        await here("--apply", str(number))
    await read_on(stores)
    assert await one("SELECT count(*) FROM ledger") == rows


@pytest.mark.long
async def test_killed_in_the_middle_it_goes_on_and_tells_everything_once(
    stores: db.Stores, tmp_path: Path
) -> None:
    await install(ALICE, DORA)
    for shop in (ALICE, DORA):
        await wrong_month(range(1, 101), shop)
    await read_on(stores)
    number, _ = await look()
    for _ in range(3):
        with (tmp_path / "said.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command("--apply", str(number), "--calm", "30"), cwd=ROOT, stdout=log, stderr=log
            )
        try:
            before = (await runs.load(number)).told

            async def has_told(before: int = before) -> bool:
                await read_on(stores)  # it waits while points is behind
                return (await runs.load(number)).told > before

            assert await until(has_told, 30), (tmp_path / "said.log").read_text()
            assert process.returncode is None, (
                "it must be in the middle for this test to mean anything"
            )
        finally:
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
    assert 0 < (await runs.load(number)).told < 200
    await read_on(stores)
    async with reading(stores):
        code, said = await run("--apply", str(number), "--calm", "0")
    assert (code, "200 facts told again" in said) == (0, True), said
    assert (await told_again(), await told_again(DORA)) == (100, 100)
    await read_on(stores)
    for shop in (ALICE, DORA):
        assert await figures(shop=shop) == {"available": 10_000, "reversed": 2_000}
    assert await is_sound()


async def test_it_waits_while_points_is_behind(stores: db.Stores) -> None:
    await install(ALICE)
    await wrong_month(range(1, 31))
    await read_on(stores)
    number, _ = await look()
    await take_in(item(taxed(99)))
    await asyncio.sleep(1.5)
    process = await asyncio.create_subprocess_exec(
        *command("--apply", str(number)), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr
    told = await asyncio.wait_for(process.stderr.readline(), 300)
    assert "waiting until points has read what came before" in told.decode()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(process.wait(), 1)
    assert (await runs.load(number)).told == 0
    async with reading(stores):
        said, _ = await asyncio.wait_for(process.communicate(), 300)
    assert "30 facts told again" in said.decode()


@pytest.mark.long
async def test_a_dry_run_that_was_stopped_says_how_it_goes_on(stores: db.Stores) -> None:
    await install(ALICE, DORA)
    for shop in (ALICE, DORA):
        await wrong_month(range(1, 41), shop)
    await read_on(stores)
    process = await asyncio.create_subprocess_exec(
        *command("--since", since(), "--why", WHY, "--calm", "1000"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )

    async def has_begun() -> bool:
        return bool(await one("SELECT count(*) FROM retranslations"))

    assert await until(has_begun, 30)
    await asyncio.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    said = (await asyncio.wait_for(process.communicate(), 300))[0].decode()
    assert process.returncode == 130
    found = re.search(r"--go-on (\d+)", said)
    assert found, said
    number = found[1]
    code, refused = await run("--apply", number)
    assert (code, "its dry run is not done" in refused) == (1, True)
    code, said = await run("--go-on", number, "--calm", "0")
    assert code == 0
    assert said.count("40 orders would change, 0 points more and 800 less") == 2
    assert "80 webhooks of all shops" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--since", "2026-01-01"), "merchants are told"),
        ((), "give --since"),
        (("--since", "2026-01-01", "--why", " "), "say why"),
    ],
)
async def test_what_is_asked_wrongly_is_refused_in_a_sentence(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        await here(*arguments)
    assert refused.value.code == 2
    assert said in capsys.readouterr().err


async def test_a_run_that_is_none_is_refused_in_a_sentence() -> None:
    with pytest.raises(HoldfastError, match="no run 7"):
        await here("--go-on", "7")
    code, answer = await run("--apply", "7")
    assert (code, "no run 7" in answer, "Traceback" in answer) == (1, True, False)


async def test_what_is_kept_is_told_by_day() -> None:
    await take_in(item(taxed(1)))
    code, said = await here("--sizes")
    assert (code, "1 webhooks, 0.0 MB" in said) == (0, True)
