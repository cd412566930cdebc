"""What the stand-in store refuses, each with a plain sentence for the person who asked."""


class RefusedError(Exception):
    """The stand-in store does not do that; the text says why."""

    status = 422


class UnknownShopError(RefusedError):
    """The text is not the name of a *.myshopify.com shop."""

    status = 404

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no shop “{name}”: a shop is called name.myshopify.com.")


class CodeRefusedError(RefusedError):
    """The checkout does not accept a discount code."""


class AmountError(RefusedError, ValueError):
    """A text is not an amount of money."""


class FormError(RefusedError):
    """A field cannot be used as it was filled in."""
