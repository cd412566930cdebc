"""What a process remembers has an end."""

from app.resilience.memory import Memory, forget_all


def test_the_entry_put_longest_ago_makes_room_for_a_new_one() -> None:
    memory: Memory[str, int] = Memory(2)
    for name, value in (("alice", 1), ("bob", 2), ("alice", 3), ("charlie", 4)):
        memory.put(name, value)
    assert (memory.get("alice"), memory.get("bob"), memory.get("charlie")) == (3, None, 4)
    assert len(memory) == 2


def test_what_is_dropped_is_gone_and_may_never_have_been_there() -> None:
    memory: Memory[str, int] = Memory(2)
    memory.put("alice", 1)
    memory.drop("alice")
    memory.drop("bob")
    assert memory.get("alice") is None
    memory.put("alice", 1)
    memory.clear()
    assert len(memory) == 0


def test_all_memories_of_a_process_are_emptied_at_once() -> None:
    first: Memory[str, int] = Memory(2)
    second: Memory[int, int] = Memory(2)
    first.put("alice", 1)
    second.put(1, 1)
    forget_all()
    assert (len(first), len(second)) == (0, 0)
