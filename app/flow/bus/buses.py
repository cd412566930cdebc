"""The buses there are: the log in Postgres, or with BUS_URL Kafka, to which the log is copied."""

import asyncio
from urllib.parse import urlsplit

from app import config as settings
from app.flow.bus import log
from app.flow.bus.interface import Bus


def open_bus(config: settings.Config) -> Bus:
    """The bus BUS_URL asks for, the log when it is empty. Raises MissingSettingsError."""
    if not config.bus_url:
        return log
    if not is_kafka(config):
        scheme = urlsplit(config.bus_url).scheme
        raise settings.MissingSettingsError(
            f"BUS_URL has the scheme {scheme!r}; it is kafka:// or kafkas://, or empty for the log "
            "in Postgres."
        )
    from app.flow.bus.kafka.bus import KafkaBus  # noqa: PLC0415 - nobody else pays for its client

    return KafkaBus(config)


async def asked(config: settings.Config, seconds: float) -> dict[str, float]:
    """How many brokers of Kafka answer within `seconds`, and how far the copy of the log is behind,
    in seconds. Raises what keeps them from answering.
    """
    from app.flow.bus.kafka import address, relay  # noqa: PLC0415 - nobody else pays for its client

    kafka = address.parse(config.bus_url)
    brokers = await asyncio.to_thread(address.answer, kafka, seconds)
    return {"brokers": brokers, "behind_seconds": round(await relay.lag_seconds(), 3)}


def is_kafka(config: settings.Config) -> bool:
    """Whether the log is to be copied to Kafka."""
    return urlsplit(config.bus_url).scheme in {"kafka", "kafkas"}
