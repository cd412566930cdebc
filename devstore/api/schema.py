"""Checks GraphQL documents and variables against Shopify's real schema, where it is at hand."""

import asyncio
import functools
import gzip
import json
import logging
import threading
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    build_client_schema,
    parse,
    validate,
)
from graphql.execution.values import get_variable_values

CHECKED_DOCUMENTS_KEPT = 256
SUFFIX = ".introspection.json.gz"

log = logging.getLogger("devstore.schema")


@functools.cache
def build(path: Path) -> GraphQLSchema:
    """Takes half a second; the schema of a file never changes, so once a process is enough."""
    return build_client_schema(
        json.loads(gzip.decompress(path.read_bytes()))["data"], assume_valid=True
    )


class Schemas:
    """The schema of each API version with a file in `directory`, built when first needed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._built: dict[str, GraphQLSchema | None] = {}
        self._lock = threading.Lock()
        self.errors_of = functools.lru_cache(CHECKED_DOCUMENTS_KEPT)(self._errors_of)

    def versions(self) -> list[str]:
        """Versions that can be checked, oldest first."""
        files = self.directory.glob(f"admin-*{SUFFIX}")
        return sorted(one.name.removeprefix("admin-").removesuffix(SUFFIX) for one in files)

    def get(self, version: str) -> GraphQLSchema | None:
        """Half a second the first time, so call it in a thread; None: nothing can be checked."""
        with self._lock:
            if version not in self._built:
                path = self.directory / f"admin-{version}{SUFFIX}"
                if path.exists():
                    self._built[version] = build(path)
                else:
                    log.warning(
                        "No schema of version %s: GraphQL documents are not checked.", version
                    )
                    self._built[version] = None
            return self._built[version]

    def _errors_of(self, version: str, text: str) -> tuple[DocumentNode | None, list[GraphQLError]]:
        try:
            document = parse(text)
        except GraphQLError as error:
            return None, [error]
        schema = self.get(version)
        return document, validate(schema, document) if schema else []

    async def check(
        self, version: str, text: str
    ) -> tuple[DocumentNode | None, list[GraphQLError]]:
        """The parsed document and what is wrong with it."""
        return await asyncio.to_thread(self.errors_of, version, text)

    def check_variables(
        self, version: str, operation: OperationDefinitionNode, variables: dict[str, Any]
    ) -> list[GraphQLError]:
        """What is wrong with the variables: a wrong input field hides from the document."""
        schema = self._built.get(version)
        if schema is None:
            return []
        declared = {
            definition.variable.name.value for definition in operation.variable_definitions or ()
        }
        unknown = [
            GraphQLError(f"Variable ${name} is not declared.")
            for name in variables
            if name not in declared
        ]
        found = get_variable_values(schema, operation.variable_definitions or (), variables)
        return unknown + (list(found) if isinstance(found, list) else [])
