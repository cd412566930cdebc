"""What a step of a random history of points may be, and with what."""

from hypothesis import strategies as st

from tests.points.model_orders import Rules

CUSTOMERS = ("bob", "charlie")
COSTS = (3, 20)
POLICIES = ("whole", "share", "share", "never")
ORDERS = 4

# which webhook of which order: any, in any order, again, or never
event = st.tuples(st.integers(0, ORDERS - 1), st.integers(0, 15))
step = st.one_of(
    st.tuples(st.just("events"), st.lists(event, min_size=1, max_size=4)),
    st.tuples(st.just("events"), st.lists(event, min_size=1, max_size=4)),
    st.tuples(
        st.just("redeem"),
        st.sampled_from(CUSTOMERS),
        st.sampled_from(COSTS),
        st.sampled_from(POLICIES),
    ),
    st.tuples(st.just("use"), st.integers(0, 9), event),
    *[
        st.tuples(
            st.just("buy"),
            st.integers(0, ORDERS - 1),
            st.sampled_from(COSTS),
            st.sampled_from(POLICIES),
        )
    ]
    * 3,
    st.tuples(st.just("settle"), st.integers(0, 9), st.booleans()),
    st.tuples(st.just("adjust"), st.sampled_from(CUSTOMERS), st.integers(-30, 30).filter(bool)),
    st.tuples(st.just("time"), st.integers(1, 15)),
    st.tuples(st.just("time"), st.integers(1, 5)),
    st.tuples(
        st.just("campaign"),
        st.sampled_from(["multiply", "multiply", "add"]),
        st.sampled_from(["2", "1.5", "3"]),
        st.sampled_from(["", "", "101"]),
        st.none() | st.integers(1, 60),
        st.none() | st.integers(1, 90),
    ),
    st.tuples(st.just("stack"), st.sampled_from(["best_of", "add", "multiply"])),
    st.tuples(
        st.just("edit"),
        st.builds(
            Rules,
            st.sampled_from(["1", "0.37", "2.5", "0"]),
            st.sampled_from(["down", "nearest", "up"]),
            st.sampled_from([0, 0, 5]),
            st.sampled_from([None, 3, 10]),
            st.sampled_from(["pending_only", "within_balance", "debt", "debt"]),
        ),
    ),
)
