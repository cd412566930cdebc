"""What takes longest begins first, or one process of a run is left with it at the end."""

LONGEST = (
    "stack",
    "tests/workers/test_retranslate.py",
    "tests/workers/test_ingest.py",
    "tests/telemetry/test_sending.py",
    "browser",
    "tests/points/test_follows.py",
    "tests/points/test_histories.py",
    "tests/core/test_worker.py",
    "tests/points/test_worker.py",
    "tests/workers/test_verify.py",
    "tests/telemetry/test_telemetry.py",
    "tests/points/rewards/test_comebacks.py",
    "tests/house/test_rules.py",
    "tests/points/earning/test_worth.py",
    "tests/test_web.py",
    "tests/test_main.py",
    "tests/test_release.py",
    "tests/points/test_corrected_histories.py",
    "tests/points/test_side_by_side.py",
    "tests/test_short_way.py",
)
