"""What a reader of Kafka keeps until it is written down."""

import pytest

from app import db
from app.flow import dead_letters
from app.flow.bus.kafka.address import parse
from app.flow.bus.kafka.reader import Reader
from app.flow.event import BadSignatureError
from tests.flow.helpers import letters


class Forged:
    """A message as Kafka's client hands it over, which nobody of ours has sealed."""

    def topic(self) -> str:
        return "facts"

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return 7

    def value(self) -> bytes:
        return b"forged"

    def headers(self) -> list[tuple[str, bytes]]:
        return []


async def test_a_forged_message_waits_until_it_is_a_letter(
    stores: db.Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(parse("kafka://one"), "points", "1", stores.config.event_secrets)
    reader.forged.append((BadSignatureError("Nobody sealed it."), Forged()))

    async def refused(*_: object, **__: object) -> bool:
        raise ConnectionError("Postgres is away")

    with monkeypatch.context() as away:
        away.setattr(dead_letters, "add", refused)
        with pytest.raises(ConnectionError):
            await reader.set_forged_aside()
    await reader.set_forged_aside()
    assert reader.forged == []
    assert [one["reference"] for one in await letters()] == ["facts 3@7"]
