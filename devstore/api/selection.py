"""Cuts a value down to what a GraphQL selection asks for, and estimates what that costs."""

from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    BooleanValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
)
from graphql.utilities import value_from_ast_untyped

MUTATION_COST = 10
INTERFACES = frozenset(
    {"Node", "HasMetafields", "HasEvents", "DiscountCode", "Discount", "DisplayableError"}
)


class Selection:
    """One operation with its fragments and variables."""

    def __init__(
        self,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
    ) -> None:
        defaults = {
            definition.variable.name.value: value_from_ast_untyped(definition.default_value)
            for definition in operation.variable_definitions or ()
            if definition.default_value
        }
        self.operation, self.fragments = operation, fragments
        self.variables = {**defaults, **variables}

    @property
    def is_mutation(self) -> bool:
        return self.operation.operation is OperationType.MUTATION

    def arguments(self, field: FieldNode) -> dict[str, Any]:
        return {
            one.name.value: value_from_ast_untyped(one.value, self.variables)
            for one in field.arguments or ()
        }

    def fields(self, selections: SelectionSetNode, type_name: str | None) -> Iterator[FieldNode]:
        """The fields for an object of that type (None: of any), fragments opened."""
        for node in selections.selections:
            if self._is_left_out(node):
                continue
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                if node.type_condition is None or self._applies(
                    node.type_condition.name.value, type_name
                ):
                    yield from self.fields(node.selection_set, type_name)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self.fragments[node.name.value]
                if self._applies(fragment.type_condition.name.value, type_name):
                    yield from self.fields(fragment.selection_set, type_name)

    @staticmethod
    def _applies(condition: str, type_name: str | None) -> bool:
        return type_name is None or condition == type_name or condition in INTERFACES

    def _is_left_out(self, node: Any) -> bool:
        for directive in node.directives or ():
            condition = (
                directive.arguments[0].value
                if directive.arguments
                else BooleanValueNode(value=True)
            )
            is_true = bool(value_from_ast_untyped(condition, self.variables))
            if (directive.name.value, is_true) in {("skip", True), ("include", False)}:
                return True
        return False

    def project(self, value: Any, field: FieldNode) -> Any:
        """`value` of `field`, with nothing but what was selected, under the asked names.

        Raises GraphQLError when the stand-in store has no such field.
        """
        if callable(value):
            value = value(self.arguments(field))
        if isinstance(value, list):
            return [self.project(one, field) for one in value]
        if value is None or field.selection_set is None:
            return value
        answer: dict[str, Any] = {}
        for inner in self.fields(field.selection_set, value["__typename"]):
            name = inner.name.value
            if name not in value:
                raise GraphQLError(
                    f"The stand-in store has no {value['__typename']}.{name}.", inner
                )
            key = inner.alias.value if inner.alias else name
            found = self.project(value[name], inner)
            answer[key] = (
                {**answer[key], **found} if isinstance(found, dict) and key in answer else found
            )
        return answer

    def cost(self) -> int:
        """As Shopify reckons: 10 a mutation, 1 an object, a connection as many as it asks for."""
        fields = self.fields(self.operation.selection_set, None)
        return sum(MUTATION_COST if self.is_mutation else self._cost(one) for one in fields)

    def _cost(self, field: FieldNode) -> int:
        if field.selection_set is None:
            return 0
        arguments = self.arguments(field)
        times = int(arguments.get("first") or arguments.get("last") or 1)
        inner = list(self.fields(field.selection_set, None))
        of_page = sum(self._cost(one) for one in inner if one.name.value == "pageInfo")
        return (
            1
            + of_page
            + times * sum(self._cost(one) for one in inner if one.name.value != "pageInfo")
        )
