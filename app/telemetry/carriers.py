"""How a trace travels between processes: as the request's id alone, or as a W3C traceparent where
it is recorded.

A carrier stands wherever a request id stood before: in a webhook's lane, in a fact, in a job, in a
redemption. `7c1e…` or `follow-me-1` is a request id, of a trace that nobody records; its trace id
follows from it. `00-<trace>-<span>-01` is recorded, and its request id is its trace id unless that
stands behind it, after a blank.
"""

import re
from hashlib import sha256
from typing import NamedTuple

NOT_SAMPLED, SAMPLED = "00", "01"
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.{0,200})?")
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_NOBODY = {"0" * 32, "0" * 16}
MARK = "00-"  # how the carrier of a recorded trace begins


class Context(NamedTuple):
    """Where a trace stands: `span_id` is "" where only its request is known."""

    trace_id: str
    span_id: str
    request_id: str
    is_sampled: bool


def read(carrier: str) -> Context:
    """What a carrier says; each text is one, as request ids always were."""
    parent, _, request_id = carrier.partition(" ")
    found = of_header(parent) if parent.startswith(MARK) else None
    if found is None:
        return Context(trace_id_of(carrier), "", carrier, is_sampled=False)
    return found._replace(request_id=request_id) if request_id else found


def of_header(traceparent: str) -> Context | None:
    """What a `traceparent` header says; None for one that breaks the rules of W3C."""
    found = _PARENT.fullmatch(traceparent)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or {trace_id, span_id} & _NOBODY:
        return None
    return Context(trace_id, span_id, trace_id, is_sampled=bool(int(flags, 16) & 1))


def write(context: Context) -> str:
    """The carrier of a trace that is recorded."""
    parent = traceparent(context)
    same = context.request_id == context.trace_id
    return parent if same else f"{parent} {context.request_id}"


def traceparent(context: Context) -> str:
    """The header of an outgoing call."""
    flags = SAMPLED if context.is_sampled else NOT_SAMPLED
    return f"{MARK}{context.trace_id}-{context.span_id}-{flags}"


def request_id_of(carrier: str) -> str:
    """The id of the request that began it all, whichever form the carrier has."""
    return read(carrier).request_id if carrier.startswith(MARK) else carrier


def trace_id_of(request_id: str) -> str:
    """A request id made here is its trace id; any other stands for one, always the same."""
    if _TRACE_ID.fullmatch(request_id) and request_id not in _NOBODY:
        return request_id
    return sha256(request_id.encode()).hexdigest()[:32]
