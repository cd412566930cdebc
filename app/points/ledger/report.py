"""What verifying the ledger found."""

from dataclasses import dataclass, field

PROBLEMS_MAX = 100  # named one by one; the counts are always complete


@dataclass(slots=True)
class Report:
    """What verification found; all is well when `is_sound`."""

    about: int = 0  # how many members there are, roughly
    members: int = 0
    rows: int = 0
    drift: int = 0  # members whose balance is not the fold of their ledger
    broken_chains: int = 0
    compared: int = 0  # members compared with the head of their chain as it was published
    problems: list[str] = field(default_factory=list)  # the first of them, as sentences
    unnamed: int = 0  # problems beyond those

    @property
    def is_sound(self) -> bool:
        return not (self.drift or self.broken_chains or self.problems)

    def add(self, problem: str) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)
        else:
            self.unnamed += 1
