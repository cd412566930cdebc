/* Straight from the checkout the points of the order are on their way: the widget looks for them until they are there.
   Fetched only then. */

const PAUSES = [1000, 2000, 4000, 8000, 15000]; // milliseconds

export function follow(widget, [pause, ...later] = PAUSES) {
  const { available, pending } = widget.me.points;
  widget.timer = setTimeout(async () => {
    if (!widget.isOpen && (await widget.load())) widget.render();
    const isSame = available === widget.me.points.available && pending === widget.me.points.pending;
    if (isSame && later.length && widget.isConnected && !widget.isOpen) follow(widget, later);
  }, pause);
}
