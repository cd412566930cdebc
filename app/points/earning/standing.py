"""What of an order stands and is paid, exactly: pieces, and money as fractions of millionths."""

from collections.abc import Iterator, Mapping

from app.points.earning.rules import NONE, Amount, Back, Known, Line


def amount(
    order: Known,
    refunds: Mapping[str, Back] | None = None,
    returns: str = "goods",
    gone: Mapping[str, int] = NONE,
    values: Mapping[str, int] | None = None,
) -> Amount:
    """The net merchandise of an order that stands and is paid, exactly; with `refunds`, as if of
    its refunds these alone had been, and these pieces `gone` at least.

    Depends on what is known alone, never on the order it came in. Pieces count that are neither
    back nor taken out. What is outstanding is that of the lines added last. Money given back
    beyond the worth of the pieces, netted over all refunds, takes its share of what is left, tax
    and all. `returns` says what a return without money means: by "goods" its pieces are back, by
    "money" what was not given back still counts. `values`: what each line counts with all its
    pieces, instead of its net.
    """
    if refunds is None:
        refunds = order.refunds
    if not (refunds or order.refunds or order.edits or order.outstanding):
        whole = 0
        for line in order.lines:
            if line.kept != line.quantity:
                break
            whole += line.net if values is None else values[line.line_id]
        else:
            return whole, 1
    nets: list[Amount] = []
    grosses: list[Amount] = []
    for line, pieces, paid, costs in standing(order, refunds, gone):
        value = line.net if values is None else values[line.line_id]
        whole, of = value * pieces, line.quantity
        is_part = paid < costs
        nets.append((whole * paid, of * costs) if is_part else (whole, of))
        grosses.append((paid, 1) if is_part else ((line.net + line.tax) * pieces, of))
    net = summed(nets)
    adjustment = sum(back.adjustment for back in refunds.values())
    given = -adjustment - order.owed
    if given > 0:
        gross = summed(grosses)
        left = gross[0] - given * gross[1]
        return (net[0] * left, net[1] * gross[0]) if left > 0 else (0, 1)
    if returns == "money" and adjustment > 0:
        taxed = sum(line.net + line.tax for line in order.lines)
        whole = sum(line.net if values is None else values[line.line_id] for line in order.lines)
        return summed([net, (min(adjustment, taxed) * whole, taxed)]) if taxed else net
    return net


def standing(
    order: Known, refunds: Mapping[str, Back], gone: Mapping[str, int] = NONE
) -> Iterator[tuple[Line, int, int, int]]:
    """What stands and is paid, the last lines first: a line, its pieces, what is paid and costs."""
    back, outstanding = pieces_gone(order, refunds), max(0, order.outstanding)
    for line in reversed(order.lines):
        off = max(back.get(line.line_id, 0), gone.get(line.line_id, 0))
        pieces = max(0, line.quantity - off)
        costs = -(-(line.net + line.tax) * pieces // line.quantity)
        paid = max(0, costs - outstanding)
        outstanding -= costs - paid
        if paid:
            yield line, pieces, paid, costs


def pieces_gone(order: Known, refunds: Mapping[str, Back]) -> dict[str, int]:
    """Pieces that are no more, by line.

    Shopify keeps a record of a refund for pieces that an edit takes out, too; what the order itself
    or its edits say beyond the records known here counts as well, once.
    """
    back, every = _count(refunds), _count(order.refunds)
    edited = _count({name: Back(lines) for name, lines in order.edits.items()})
    for line in order.lines:
        told = max(line.quantity - line.kept, edited.get(line.line_id, 0))
        if (beyond := told - every.get(line.line_id, 0)) > 0:
            back[line.line_id] = back.get(line.line_id, 0) + beyond
    return back


def _count(refunds: Mapping[str, Back]) -> dict[str, int]:
    pieces: dict[str, int] = {}
    for back in refunds.values():
        for line_id, quantity in back.lines.items():
            pieces[line_id] = pieces.get(line_id, 0) + quantity
    return pieces


def summed(fractions: list[Amount]) -> Amount:
    """Exactly, and linear in their number where denominators repeat: those are added first, the
    others in pairs, so that few numbers grow long.
    """
    by_denominator: dict[int, int] = {}
    for numerator, denominator in fractions:
        by_denominator[denominator] = by_denominator.get(denominator, 0) + numerator
    whole = by_denominator.pop(1, 0)
    rests = []
    for denominator, numerator in by_denominator.items():
        whole += numerator // denominator
        if rest := numerator % denominator:
            rests.append((rest, denominator))
    while len(rests) > 1:
        odd = rests[-1:] if len(rests) % 2 else []
        pairs = zip(rests[::2], rests[1::2], strict=False)
        rests = [(a * d + c * b, b * d) for (a, b), (c, d) in pairs] + odd
    numerator, denominator = rests[0] if rests else (0, 1)
    return whole * denominator + numerator, denominator
