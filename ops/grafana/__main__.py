"""`python -m ops.grafana`: writes the dashboards beside this file as the JSON Grafana reads."""

from pathlib import Path

from ops.grafana.boards import BOARDS
from ops.grafana.building import text_of

HERE = Path(__file__).parent


def main() -> None:
    for board in BOARDS:
        path = HERE / f"{board.uid}.json"
        path.write_text(text_of(board), encoding="utf-8")
        print(path.relative_to(HERE.parent.parent))


if __name__ == "__main__":
    main()
