"""What the probe tells is believed only where it makes sense, and can be stored whatever stands in it."""

from __future__ import annotations

import json

from compatcheck.domain import canonical, digest_of
from compatcheck.protocol import Protocol


def heard_by(*lines: bytes) -> Protocol:
    protocol = Protocol(lambda event, fields: None, lambda data: data)
    for line in lines:
        protocol.take(line)
    return protocol


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    raised = {"type": "ValueError", "module": "m", "message": "odd \ud800 text", "frames": []}
    ended = {
        "event": "stage-ended", "stage": "import", "status": "failed", "seconds": 1.0, "peak_rss_mib": 1.0,
        "chain": [raised],
    }  # fmt: skip
    protocol = heard_by(b'{"event": "stage-began", "stage": "import"}', json.dumps(ended).encode())
    assert protocol.broken == 0
    (record,) = protocol.stages
    message = record.chain[0].message
    assert message == "odd ? text"
    assert digest_of(canonical({"message": message}))


def test_whole_pairs_and_other_scripts_stay() -> None:
    protocol = heard_by(json.dumps({"event": "facts", "facts": {"said": "\U0001f600 提示"}}).encode())
    assert protocol.facts == {"said": "\U0001f600 提示"}


def test_nonsense_is_counted_and_never_believed() -> None:
    protocol = heard_by(b"not json", b"[1, 2]", b'{"event": "stage-ended", "stage": "import"}', b'{"event": "done"}')
    assert protocol.broken == 4 and not protocol.done and not protocol.stages


def test_a_number_that_json_has_not_becomes_nothing() -> None:
    """A loss of NaN must not make a report that no browser can read."""
    told = {"event": "check", "name": "loss-fell", "passed": False, "limit": 0.1, "detail": "from nan", "mode": None}
    lines = [json.dumps({**told, "measured": value}).encode() for value in (float("nan"), float("-inf"), 0.5)]
    protocol = heard_by(*lines, json.dumps({**told, "measured": 1}).replace("1}", "1e999}").encode())
    assert [check.measured for check in protocol.checks] == [None, None, 0.5, None]
    assert protocol.broken == 0


def test_done_before_the_last_stage_is_not_believed_where_none_has_failed() -> None:
    began = b'{"event": "stage-began", "stage": "import"}'
    ended = b'{"event": "stage-ended", "stage": "import", "status": "%s", "seconds": 1.0, "chain": []}'
    assert not heard_by(b'{"event": "done"}').done
    assert not heard_by(began, ended % b"ok", b'{"event": "done"}').done
    assert heard_by(began, ended % b"failed", b'{"event": "done"}').done
