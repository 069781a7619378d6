from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from regularize.data.fetch import fetch
from regularize.errors import UserError


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No way out: a proxy on a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{free.getsockname()[1]}"
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("mnist", "MNIST/raw"),
        ("fashion_mnist", "FashionMNIST/raw"),
        ("kmnist", "KMNIST/raw"),
        ("qmnist", "QMNIST/raw"),
        ("emnist_digits", "EMNIST/raw"),
        ("svhn", ""),
        ("usps", ""),
        ("cifar10", "cifar-10-batches-py"),
        ("cifar100", "cifar-100-python"),
    ],
)
def test_without_internet_it_says_which_files_go_where(tmp_path: Path, name: str, place: str) -> None:
    with pytest.raises(UserError) as caught:
        fetch(name, tmp_path)
    first, *_, last = str(caught.value).splitlines()
    assert first.startswith(f"cannot download {name}: ")
    assert last.startswith(f"{name} is not in {tmp_path}: put ")
    assert str(tmp_path / place) in last
    assert socket.getdefaulttimeout() is None


@pytest.mark.usefixtures("offline")
def test_what_is_there_needs_no_internet(mnist_root: Path, tmp_path: Path) -> None:
    assert fetch("mnist", mnist_root).facts.train == 60_000
    assert fetch("digits", tmp_path).facts.test == 360


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def mirror(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server on this machine in place of torchvision's, with checksums of its own compression."""
    from torchvision.datasets import MNIST

    folder = shared_data / "MNIST" / "raw"
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    files = [(name, hashlib.md5((folder / name).read_bytes()).hexdigest()) for name, _ in MNIST.resources]
    monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr(MNIST, "resources", files)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("mirror")
def test_a_download_is_prepared(tmp_path: Path) -> None:
    assert fetch("mnist", tmp_path).facts.train == 60_000


def test_only_official_sets_can_be_fetched(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not 'minst'.*did you mean 'mnist'"):
        fetch("minst", tmp_path)
