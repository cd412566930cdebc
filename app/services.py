"""The only list of the processes there are, and of the services among them: one row each."""

from typing import NamedTuple


class Process(NamedTuple):
    """A line of the Procfile as pages and signals name it; `topics` is what a service reads."""

    name: str  # of the process, and of the service's folder, consumer group and health line
    title: str
    words: str  # what it does, for a merchant
    topics: tuple[str, ...] = ()


# the road itself: no service, and nothing of it can be switched off alone
ROAD = (
    Process("web", "Pages", "what you and your shoppers see"),
    Process("ingest", "Orders", "takes in orders and refunds from Shopify"),
    Process("relay", "Record", "keeps all that happened in its order"),
)
SERVICES = (
    Process(
        "core",
        "Customers",
        "knows your customers and the settings of your store",
        (
            "app.uninstalled",
            "compliance.requested",
            "order.paid",
            "order.updated",
            "customer.created",
            "customer.updated",
            "customer.deleted",
            "customer.merged",
            "shop.updated",
        ),
    ),
    Process(
        "points",
        "Points",
        "gives, keeps and takes points",
        (
            "shop.installed",
            "shop.updated",
            "order.created",
            "order.updated",
            "order.paid",
            "order.edited",
            "order.refunded",
            "order.cancelled",
            "order.deleted",
            "customer.created",
            "customer.updated",
            "customer.deleted",
            "customer.merged",
            "customer.tagged",
            "rfm.segment.updated",
            "campaign.updated",
            "collection.updated",
            "customer.consented",
            "compliance.requested",
            "referral.created",
            "referral.completed",
            "referral.reversed",
        ),
    ),
    Process(
        "campaigns",
        "Campaigns",
        "keeps your campaigns and counts what they give",
        ("points.earned", "points.reversed", "customer.merged", "compliance.requested"),
    ),
    Process(
        "referrals",
        "Referrals",
        "makes links, checks friends and rewards advocates",
        (
            "referral.asked",
            "order.created",
            "order.updated",
            "order.paid",
            "order.refunded",
            "order.cancelled",
            "order.deleted",
            "customer.created",
            "customer.updated",
            "customer.deleted",
            "customer.merged",
            "compliance.requested",
        ),
    ),
)
PROCESSES = {one.name: one for one in (*ROAD, *SERVICES)}


def topics(service: str) -> tuple[str, ...]:
    """The topics `service` reads from the log. Raises KeyError for what is no service."""
    return PROCESSES[service].topics


def way_to(service: str) -> tuple[str, ...]:
    """The processes that a webhook which was taken in passes until `service` has had its effect."""
    return ("ingest", "relay", service)
