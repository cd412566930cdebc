"""Where flags come from, as OpenFeature asks: our table in Postgres, and who else comes first."""

from collections.abc import Mapping
from typing import Any

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider import AbstractProvider, Metadata

from app.flags.known import FLAGS, Setting, default, is_given

EVERYBODY = "everybody"  # who is asked for where there is no shop: nobody can be called that


class OnlyBooleans(AbstractProvider):
    """A provider of flags that are on or off, as ours all are."""

    def get_metadata(self) -> Metadata:
        return Metadata(type(self).__name__)

    def _refuse(
        self,
        flag_key: str,
        default_value: Any,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Any]:
        return FlagResolutionDetails(
            default_value, error_code=ErrorCode.TYPE_MISMATCH, reason=Reason.ERROR
        )

    resolve_string_details = _refuse
    resolve_integer_details = _refuse
    resolve_float_details = _refuse
    resolve_object_details = _refuse


class Table(OnlyBooleans):
    """What was last read from Postgres, for as long as nothing newer can be."""

    def __init__(self) -> None:
        super().__init__()
        self.settings: Mapping[str, Setting] = {}

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        flag = FLAGS.get(flag_key)
        if flag is None:
            return FlagResolutionDetails(
                default_value, error_code=ErrorCode.FLAG_NOT_FOUND, reason=Reason.ERROR
            )
        setting = self.settings.get(flag_key)
        asked = evaluation_context.targeting_key if evaluation_context else None
        return FlagResolutionDetails(
            is_given(setting or default(flag), "" if asked in {None, EVERYBODY} else str(asked)),
            reason=Reason.SPLIT if setting else Reason.DEFAULT,
        )

    def is_killed(self, flag_key: str) -> bool:
        setting = self.settings.get(flag_key)
        return setting is not None and not setting.is_enabled


class First(OnlyBooleans):
    """What `theirs` says; where it is away or does not know the flag, what our table says. What
    our operators have switched off is off, whatever `theirs` says.
    """

    def __init__(self, theirs: AbstractProvider, table: Table) -> None:
        super().__init__()
        self.theirs = theirs
        self.table = table

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        if not self.table.is_killed(flag_key):
            found = self.theirs.resolve_boolean_details(flag_key, default_value, evaluation_context)
            if found.error_code is None:
                return found
        return self.table.resolve_boolean_details(flag_key, default_value, evaluation_context)

    def shutdown(self) -> None:
        self.theirs.shutdown()
