"""The few errors of the house: each carries an HTTP status and whether trying again can help."""


class HoldfastError(Exception):
    """Base of all expected errors.

    `status` is what a web request answers, `permanent` tells a worker not to retry, `code` is the
    machine-readable name in `{"error": {"code", "message"}}`; the message is a plain sentence for
    people.
    """

    status = 500
    permanent = False
    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status


class BadInputError(HoldfastError):
    """What came in cannot be used as it is (400)."""

    status, permanent, code = 400, True, "bad_input"


class UnauthorizedError(HoldfastError):
    """The proof of who is asking is missing or wrong (401)."""

    status, permanent, code = 401, True, "unauthorized"


class NotFoundError(HoldfastError):
    """There is no such thing in this shop (404)."""

    status, permanent, code = 404, True, "not_found"


class ConflictError(HoldfastError):
    """The request contradicts what is already there (409)."""

    status, permanent, code = 409, True, "conflict"


class TooLargeError(HoldfastError):
    """Larger than the stated limit (413)."""

    status, permanent, code = 413, True, "too_large"


class RefusedError(HoldfastError):
    """Understood, and refused by a rule, such as a redemption above the balance (422)."""

    status, permanent, code = 422, True, "refused"


class UnavailableError(HoldfastError):
    """A part is down or slow; trying again later can help (503)."""

    status, permanent, code = 503, False, "unavailable"
