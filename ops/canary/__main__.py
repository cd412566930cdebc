"""`python -m ops.canary start|watch|promote|rollback|finish|pin|status`: exits with 0 when all went
well, 1 when the canary was rolled back, 2 when it cannot be done now.
"""

import argparse
import os
import sys
from pathlib import Path

from app.rings import BUCKETS
from ops.canary import controller, state
from ops.canary.controller import NotNowError, Plan
from ops.canary.router import Router, RouterError
from ops.canary.signals import BlindError, Signals

NOT_NOW = 2
KNOWN = (
    state.BusyError,
    state.BrokenError,
    NotNowError,
    RouterError,
    BlindError,
    OSError,  # such as a disk that is full
)
PERCENT = BUCKETS // 100


def main(given: argparse.Namespace) -> int:
    """Do what is asked, and print how the canary stands."""
    plan = Plan(
        Path(given.folder),
        step_seconds=given.step_seconds,
        requests_min=given.requests_min,
        blind_seconds=given.blind_seconds,
    )
    router = Router(Path(given.router), Path(given.pins))
    try:
        return _done(given, plan, router)
    except KNOWN as error:
        print(error, file=sys.stderr)
        return NOT_NOW


def _done(given: argparse.Namespace, plan: Plan, router: Router) -> int:
    signals = Signals(given.prometheus)
    match given.command:
        case "start" | "watch":
            with state.controlling(plan.folder):
                if given.command == "start":
                    controller.start(plan, router, signals, given.release)
                found = controller.watch(plan, router, signals)
            return 1 if found.status == state.ROLLED_BACK else 0
        case "promote":
            controller.promote(plan, router, given.percent * PERCENT)
        case "rollback":
            controller.roll_back(plan, router, given.reason)
        case "finish":
            controller.finish(plan, router)
        case "pin":
            track = None if given.track == "neither" else given.track
            controller.pin(plan, router, given.shop.lower(), track)
    found = state.read(plan.folder)
    print(f"{found.release or 'No canary'}: {found.status}, {found.share / PERCENT:g} %")
    if given.command == "status":
        print(f"The router gives {router.share() / PERCENT:g} %.", *found.history, sep="\n  ")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ops.canary", description=__doc__)
    env = os.environ.get
    parser.add_argument("--folder", default=env("CANARY_FOLDER", ".holdfast/canary"))
    parser.add_argument("--router", default=env("ROUTER_SOCKET", ".holdfast/router.sock"))
    parser.add_argument("--pins", default=env("ROUTER_PINS", ".holdfast/pins.map"))
    parser.add_argument("--prometheus", default=env("PROMETHEUS_URL", "http://127.0.0.1:9090"))
    parser.add_argument("--step-seconds", type=float, default=controller.STEP_SECONDS)
    parser.add_argument("--requests-min", type=int, default=controller.REQUESTS_MIN)
    parser.add_argument("--blind-seconds", type=float, default=controller.BLIND_SECONDS)
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("start", help="give it 5 %%, then watch until the end")
    starting.add_argument("--release", required=True, help="the name of its build")
    commands.add_parser("watch", help="go on watching one that is running")
    promoting = commands.add_parser("promote", help="the next step by hand")
    promoting.add_argument("percent", type=int, help="what it is to have then")
    rolling = commands.add_parser("rollback", help="take all shops back, whoever is watching")
    rolling.add_argument("--reason", default="by hand")
    commands.add_parser("finish", help="once stable runs the promoted release, too")
    pinning = commands.add_parser("pin", help="a shop that is one's whatever the share")
    pinning.add_argument("shop")
    pinning.add_argument("track", choices=["canary", "stable", "neither"])
    commands.add_parser("status", help="how it stands, and what happened")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main(_arguments()))
