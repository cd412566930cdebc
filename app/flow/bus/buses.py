"""The buses there are: BUS_URL chooses Redis Streams, or later Kafka."""

from urllib.parse import urlsplit

from app import config as settings
from app import db
from app.flow.bus.interface import Bus
from app.flow.bus.streams import StreamBus


def open_bus(url: str, stores: db.Stores) -> Bus:
    """The bus BUS_URL asks for; its connections belong to `stores`. Raises MissingSettingsError
    for one not built.
    """
    scheme = urlsplit(url).scheme
    if scheme in {"redis", "rediss", "unix"}:
        own_server = url != stores.config.redis_url
        return StreamBus(db.redis_client(url) if own_server else stores.queue)
    if scheme == "kafka":
        raise settings.MissingSettingsError(
            "BUS_URL names Kafka, which is not built yet: use a redis:// address."
        )
    raise settings.MissingSettingsError(
        f"BUS_URL has the scheme {scheme!r}; the bus needs a redis:// address."
    )
