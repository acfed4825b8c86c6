"""No secret is told: in no log, no row of the ledger, no reason, nowhere on the terminal."""

import json
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest

from console.embedded import EmbeddedCloud
from pipeline.checks import echo
from pipeline.errors import TilepoolError
from pipeline.storage import Storage, open_storage
from tests.builders import ENVIRONMENT, task_body
from tests.images import write_image, write_truncated

KEY, SECRET, TOKEN = "AKIAMARKEDKEY0000000", "marked-secret-key", "marked-session-token"
PASSWORD, SIGNATURE = "marked-password", "marked-signature"
MARKED = (SECRET, TOKEN, PASSWORD, SIGNATURE)
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_SESSION_TOKEN": TOKEN,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}
ANSWERS = {
    "/bucket/expired": "<Code>ExpiredToken</Code><Message>Expired.</Message>"
    f"<Token-0>{TOKEN}</Token-0>",
    "/bucket/signed": "<Code>SignatureDoesNotMatch</Code><Message>Not the same.</Message>"
    f"<AWSAccessKeyId>{KEY}</AWSAccessKeyId>"
    f"<CanonicalRequest>GET\nx-amz-security-token:{TOKEN}</CanonicalRequest>",
}
"""What S3 answers: it repeats what it was asked with."""
ASKED: Sequence[Callable[[Storage, str], object]] = (
    Storage.read,
    Storage.delete,
    lambda storage, key: storage.write(key, b"x", "text/plain", 0),
    lambda storage, key: list(storage.objects(key)),
)


class _S3(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        start = "<?xml version='1.0'?>" + ("\n" if "expired" in self.path else "")
        answer = ANSWERS.get(self.path.partition("?")[0], ANSWERS["/bucket/signed"])
        body = f"{start}<Error>{answer}</Error>".encode()
        self.send_response(400 if "expired" in self.path else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_POST = do_GET  # noqa: N815  # http.server's own naming

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


@pytest.fixture
def talkative_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An S3 that refuses everything, and tells why at length."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _S3) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": url}).items():
            monkeypatch.setenv(name, value)
        yield
        server.shutdown()
        thread.join()


def check_nothing_is_told(text: str) -> None:
    assert not [secret for secret in MARKED if secret in text]


@pytest.mark.usefixtures("talkative_s3")
@pytest.mark.parametrize("key", ["expired", "signed"])
@pytest.mark.parametrize("ask", ASKED)
def test_an_error_of_s3_is_told_without_what_it_was_asked_with(
    key: str, ask: Callable[[Storage, str], object]
) -> None:
    with pytest.raises(TilepoolError) as caught:
        ask(open_storage("s3://bucket"), key)
    told = "".join(traceback.format_exception(caught.value))
    check_nothing_is_told(told)
    assert KEY not in told
    assert " SignatureDoesNotMatch Not the same." in told or " ExpiredToken Expired." in told
    assert str(caught.value).isprintable()


@pytest.mark.usefixtures("talkative_s3")
def test_an_error_of_botocore_is_told_without_what_it_was_asked_with() -> None:
    client = boto3.client("s3")
    with pytest.raises(client.exceptions.ClientError) as caught:
        client.get_object(Bucket="bucket", Key="expired")
    check_nothing_is_told("".join(traceback.format_exception(caught.value)))
    client.close()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"https://me:{PASSWORD}@a.example/x", "https://…@a.example/x"),
        (f"https://me:{PASSWORD}@2@a.example/x", "https://…@a.example/x"),
        (f"https://a.example/x?X-Amz-Signature={SIGNATURE}", "https://a.example/x?…"),
        (f"https://a.example/x#token={SIGNATURE}", "https://a.example/x?…"),
        (f"see https://{PASSWORD}@a.example and so", "see https://…@a.example and so"),
        ("who? me@a.example", "who? me@a.example"),
    ],
)
def test_an_address_is_shown_without_its_secrets(text: str, shown: str) -> None:
    assert echo(text) == shown


def test_a_run_tells_no_credentials(tmp_path: Path, source: Path, dest: Path) -> None:
    """Credentials in the environment and in addresses, a good image, a bad one, a mistake."""
    access = source / ENVIRONMENT["ACCESS_DIR"]
    write_image(access / "book/p1.jpg", 60, 40)
    write_truncated(access / "letter/p1.tif")
    csv = source / ENVIRONMENT["CSV_PATH"] / ENVIRONMENT["CSV_NAME"]
    csv.parent.mkdir(parents=True)
    csv.write_text(f"identifier,homepage\nbook,https://me:{PASSWORD}@a.example/\n")
    told = ""
    for number, body in enumerate(
        [task_body(), task_body({"DEST_URL": f"https://me:{PASSWORD}@a.example?x={SIGNATURE}"})]
    ):
        task = tmp_path / f"task{number}.json"
        task.write_bytes(body)
        done = subprocess.run(
            [*COMMAND, "local", str(task), "--source", str(source), "--dest", str(dest)],
            env={**os.environ, **CREDENTIALS},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == (2 if number else 3), done.stdout + done.stderr
        told += done.stdout + done.stderr
    assert "letter" in told
    assert "DEST_URL" in told
    kept = [file for file in Path(os.environ["TILEPOOL_DIR"]).rglob("*") if file.is_file()]
    assert kept
    for file in kept:
        content = file.read_text(errors="replace")
        assert SECRET not in content, file
        assert TOKEN not in content, file
        if file.suffix == ".log":
            check_nothing_is_told(content)
    check_nothing_is_told(told)


COMMAND = [sys.executable, "-m", "console"]


def test_the_embedded_cloud_keeps_its_key_to_its_owner(cloud: EmbeddedCloud) -> None:
    for file in cloud.logs.rglob("*"):
        if file.is_file():
            assert cloud.access_key not in file.read_text(errors="replace"), file


def test_rows_hold_no_variable_of_the_environment(cloud: EmbeddedCloud) -> None:
    rows = list(cloud.ledger.runs())
    assert cloud.access_key not in json.dumps(rows)
