"""The control port, over real HTTPS with a pinned certificate."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from population_worker.control import serve_control
from population_worker.directive import parse_directive
from population_worker.environment import Control
from population_worker.mailbox import Mailbox
from population_worker.report import Measurement, Report
from tests.population_worker.support import TOKEN, Operator, directive


@pytest.fixture
def mailbox():
    return Mailbox(1)


@pytest.fixture
def server(mailbox, tls):
    server = serve_control(Control("127.0.0.1", 0, TOKEN, *tls), "w0", mailbox)
    yield server
    mailbox.close()
    server.close()


@pytest.fixture
def operator(server, tls):
    return Operator(server.port, tls[0])


def a_report(step: int) -> Report:
    return Report(1, "m0", Measurement(step, 0.5), {"lr": 0.1}, True, {"train": 1.0})


def test_a_directive_is_accepted_and_taken(operator, mailbox):
    assert operator.put(directive(17)) == (200, {"directive": 17})
    assert operator.put(directive(17)) == (200, {"directive": 17})
    assert mailbox.take(-1) == parse_directive(directive(17))


def test_an_older_directive_is_refused_with_what_is_held(operator):
    operator.send(directive(18))
    status, answer = operator.put(directive(17, member="another"))
    assert status == 409
    assert (answer["directive"], answer["incarnation"]) == (18, 1)
    assert "18" in answer["error"]


def test_another_incarnations_directive_is_refused(operator):
    status, answer = operator.put(directive(1, incarnation=2))
    assert status == 409
    assert (answer["directive"], answer["incarnation"]) == (None, 1)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"{", "body: "),
        (b"\xff", "body: "),
        (b'{"id": NaN}', "body: "),
        (b"[]", "body: "),
        (json.dumps(directive(hyperparameters={"lr": None})).encode(), "hyperparameters.lr: "),
        (json.dumps(directive(member="../m1")).encode(), "member: "),
    ],
)
def test_a_bad_body_is_refused_with_the_path(operator, body, path):
    status, answer = operator.request("PUT", "/v1/directive", body)
    assert status == 422
    assert answer["error"].startswith(path)
    assert operator.put(directive(1))[0] == 200  # the connection lives on


@pytest.mark.parametrize("token", ["wrong", "", TOKEN + "x", "\xe9"])
def test_a_wrong_token_is_refused(server, tls, token):
    for method, path in (("PUT", "/v1/directive"), ("GET", "/v1/wait"), ("GET", "/else")):
        status, _ = Operator(server.port, tls[0], token).request(method, path)
        assert status == 401
    status, _ = Operator(server.port, tls[0]).request("GET", "/v1/else")
    assert status == 404


def test_no_token_is_refused(operator):
    operator.headers = {}
    assert operator.request("GET", "/v1/wait")[0] == 401


def test_another_certificate_is_not_trusted(server, tmp_path):
    from tests.population_worker.support import make_certificate

    other, _ = make_certificate(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        Operator(server.port, other).wait(0, 0)


@pytest.mark.parametrize("query", ["after=x", "after=-1", "timeout=61", "timeout=nan", "timeout="])
def test_a_bad_query_is_refused(operator, query):
    status, answer = operator.request("GET", f"/v1/wait?{query}")
    assert status == 422
    assert answer["error"].startswith(query.partition("=")[0])


def test_events_can_be_read_again_from_the_start(operator, mailbox):
    for step in (10, 20, 30):
        mailbox.report(a_report(step))
    steps = [event["report"]["step"] for event in operator.wait(0)["events"]]
    assert steps == [10, 20, 30]
    answer = operator.wait(2)
    assert [event["cursor"] for event in answer.pop("events")] == [3]
    assert answer == {
        "worker": "w0",
        "incarnation": 1,
        "directive": None,
        "waiting": True,
        "step": 30,
        "cursor": 3,
    }
    assert operator.wait(0)["cursor"] == 3


def test_nothing_new_is_answered_after_the_timeout(operator):
    begin = time.monotonic()
    answer = operator.wait(0, 0.2)
    assert answer["events"] == []
    assert 0.2 <= time.monotonic() - begin < 2


def test_a_reader_is_let_go_at_the_end(operator, mailbox):
    threading.Timer(0.1, mailbox.close).start()
    begin = time.monotonic()
    assert operator.wait(0, 30)["events"] == []
    assert time.monotonic() - begin < 5


def test_a_client_that_says_nothing_holds_up_nobody(server, operator):
    with socket.create_connection(("127.0.0.1", server.port)):
        assert operator.wait(0, 0)["cursor"] == 0


def test_a_body_without_a_sane_length_is_refused(server, operator, tls):
    connection = http.client.HTTPSConnection(
        "127.0.0.1", server.port, context=operator.connection._context
    )
    connection.putrequest("PUT", "/v1/directive")
    connection.putheader("Authorization", f"Bearer {TOKEN}")
    connection.putheader("Content-Length", str(2**40))
    connection.endheaders()
    assert connection.getresponse().status == 422


def test_latency_of_directive_and_report(operator, server, mailbox, tls: tuple[Path, Path]):
    """From PUT to the training thread, and from a report to the waiting reader: milliseconds."""
    reader = Operator(server.port, tls[0])
    reader.wait(0, 0)
    delays: dict[str, list[float]] = {"directive": [], "report": []}
    for number in range(1, 21):
        with _finishing(mailbox.take, number - 1) as taken:
            begin = time.perf_counter()
            operator.send(directive(number))
        delays["directive"].append(taken[0] - begin)
        with _finishing(reader.wait, number - 1) as read:
            begin = time.perf_counter()
            mailbox.report(a_report(number))
        delays["report"].append(read[0] - begin)
    medians = {name: statistics.median(values) for name, values in delays.items()}
    print({name: f"{1000 * median:.2f} ms" for name, median in medians.items()})
    # About a millisecond on an idle machine; a loaded one must not fail the test.
    assert max(medians.values()) < 0.02


@contextlib.contextmanager
def _finishing(wait: Callable[[int], object], after: int) -> Iterator[list[float]]:
    """Run `wait` in a thread around the block; the list gets the time at which it returned."""
    finished: list[float] = []

    def run() -> None:
        wait(after)
        finished.append(time.perf_counter())

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.005)
    yield finished
    thread.join(5)
