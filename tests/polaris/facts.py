"""What Polaris' elements take, as a table of our own: `python -m tests.polaris.facts MANIFEST`
writes it anew from `custom-elements.json` of npm's @shopify/polaris-types.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

WRITTEN_TO = Path(__file__).parent / "facts.json"
# the version whose facts the table has; its package.json stands beside dist/custom-elements.json
VERSION = "1.1.0"
# longer lists, such as all icons, are kept as any text
VALUES_MAX = 40
WORD = re.compile(r'"([^"]*)"')


def kind(written: str) -> str | list[str]:
    """`boolean`, `number`, `string`, or the values there are."""
    if written in {"boolean", "number"}:
        return written
    parts = [part.strip() for part in written.split(" | ")]
    if all(WORD.fullmatch(part) for part in parts) and len(parts) <= VALUES_MAX:
        return [part.strip('"') for part in parts]
    return "string"


def element(declared: dict[str, Any]) -> dict[str, Any]:
    attributes = {
        one["fieldName"] if one["name"] == one["fieldName"].lower() else one["name"]: kind(
            one.get("type", {}).get("text", "string")
        )
        for one in declared.get("attributes", [])
        if not one.get("type", {}).get("text", "").startswith("(")  # methods are listed too
    }
    return {
        "attributes": dict(sorted(attributes.items())),
        "slots": sorted(one["name"] for one in declared.get("slots", []) if one["name"]),
        "events": sorted(one["name"] for one in declared.get("events", [])),
    }


def table(manifest: dict[str, Any]) -> dict[str, Any]:
    declared = [one for module in manifest["modules"] for one in module["declarations"]]
    return {
        one["tagName"]: element(one) for one in sorted(declared, key=lambda one: one["tagName"])
    }


def main() -> None:
    manifest = Path(sys.argv[1])
    package = json.loads((manifest.parent.parent / "package.json").read_text(encoding="utf-8"))
    assert package["version"] == VERSION, f"these are the facts of {package['version']}"
    found = table(json.loads(manifest.read_text(encoding="utf-8")))
    lines = [f"  {json.dumps(name)}: {json.dumps(facts)}" for name, facts in found.items()]
    WRITTEN_TO.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
