"""No `rich`, as in production: structlog would bring it into each process the tests start."""

raise ImportError("import-linter alone has a use for it")
