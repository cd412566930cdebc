"""Where Kafka is: BUS_URL as settings of its client, and the topic the log is copied to.

    kafka://[user:password@]host[:port][,host[:port]...][/topic][?name=value&...]

`kafkas://` is the same over TLS. `ca`, `certificate` and `key` name PEM files (a certificate of
ours makes it mutual), `mechanism` how user and password are proven (SCRAM-SHA-512).
"""

from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]
from confluent_kafka.cimpl import NewTopic

from app import config as settings
from app.errors import HoldfastError
from app.flow.bus.interface import PARTS

SCHEMES = ("kafka", "kafkas")
TOPIC = "facts"
PORT = 9092
ANSWER_SECONDS = 4.0
MESSAGE_BYTES_MAX = 8 * 1024 * 1024  # a larger entry stays in the log, where services find it
MESSAGE_BYTES_MIN = 1_000  # that the client can be told
NOT_LET = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED}
RETENTION_DAYS = 7  # what a service has not read by then it reads from the log
FILES = {
    "ca": "ssl.ca.location",
    "certificate": "ssl.certificate.location",
    "key": "ssl.key.location",
}
CLIENT = {
    "client.id": "holdfast",
    "socket.timeout.ms": 3_000,
    "socket.keepalive.enable": True,
    "reconnect.backoff.max.ms": 1_000,
    "topic.metadata.refresh.interval.ms": 5_000,  # a topic that was made anew is found again
    "allow.auto.create.topics": False,
    "log_level": 0,  # what goes wrong comes as an error, too
}


class WrongTopicError(HoldfastError):
    """The topic is not one the log can be copied to (permanent)."""

    status, permanent, code = 500, True, "wrong_topic"


class Address(NamedTuple):
    """A cluster and its topic; `client` is what every client of it is made with."""

    topic: str
    client: dict[str, Any]


def parse(url: str) -> Address:
    """Read BUS_URL. Raises MissingSettingsError for what it cannot mean."""
    scheme, place, path, query, _ = urlsplit(url)
    credentials, _, hosts = place.rpartition("@")
    given = dict(parse_qsl(query))
    unknown = sorted(given.keys() - FILES.keys() - {"mechanism"})
    if scheme not in SCHEMES or not hosts or unknown:
        raise settings.MissingSettingsError(
            "BUS_URL must look like kafka://host:9092,host:9092/topic?ca=FILE"
            + (f"; it knows no {', '.join(unknown)}" if unknown else "")
        )
    servers = [host if ":" in host else f"{host}:{PORT}" for host in hosts.split(",")]
    is_secure = scheme == "kafkas"
    client: dict[str, Any] = {**CLIENT, "bootstrap.servers": ",".join(servers)}
    if credentials:
        user, _, password = credentials.partition(":")
        client |= {
            "sasl.mechanism": given.get("mechanism", "SCRAM-SHA-512"),
            "sasl.username": unquote(user),
            "sasl.password": unquote(password),
        }
    layers = ("SASL_" if credentials else "") + ("SSL" if is_secure else "PLAINTEXT")
    client["security.protocol"] = layers
    client |= {setting: given[name] for name, setting in FILES.items() if name in given}
    return Address(unquote(path.strip("/")) or TOPIC, client)


def ensure_topic(address: Address) -> bool:
    """Make the topic unless it is there; whether it had to be made. Blocks: for a thread.

    Raises KafkaException, and WrongTopicError when it has other partitions than the log.
    """
    admin = AdminClient(address.client)
    found = admin.list_topics(address.topic, timeout=ANSWER_SECONDS).topics.get(address.topic)
    if found is not None and found.error is None:
        if len(found.partitions) != PARTS:
            raise WrongTopicError(
                f"The topic {address.topic} has {len(found.partitions)} partitions and needs "
                f"{PARTS}: delete it, and it is made and filled again from the log."
            )
        return False
    retention_ms = RETENTION_DAYS * 24 * 3_600 * 1_000
    kept = {"retention.ms": str(retention_ms), "max.message.bytes": str(MESSAGE_BYTES_MAX)}
    # as many replicas as the cluster gives by default
    topic = NewTopic(address.topic, num_partitions=PARTS, config=kept)
    made = admin.create_topics([topic], operation_timeout=ANSWER_SECONDS)[address.topic]
    try:
        made.result(ANSWER_SECONDS)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
        return False
    return True


def largest_message(address: Address) -> int:
    """The bytes of a message that the topic takes at most. Blocks; raises KafkaException.

    A cluster that does not let us read that is believed to have the topic as we make it.
    """
    admin = AdminClient(address.client)
    resource = ConfigResource(ConfigResource.Type.TOPIC, address.topic)
    try:
        asked = admin.describe_configs([resource], request_timeout=ANSWER_SECONDS)[resource]
        found = int(asked.result(ANSWER_SECONDS)["max.message.bytes"].value)
    except KafkaException as error:
        if error.args[0].code() not in NOT_LET:
            raise
        return MESSAGE_BYTES_MAX
    return max(MESSAGE_BYTES_MIN, min(found, MESSAGE_BYTES_MAX))


def answer(address: Address, seconds: float = ANSWER_SECONDS) -> int:
    """How many brokers there are. Blocks; raises KafkaException when nobody answers in time."""
    return len(AdminClient(address.client).list_topics(timeout=seconds).brokers)
