"""The downloader of Conceptual Captions: what it fetches, what it does not fetch again, what it reports."""
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import nib_utils as nib
from nib_utils.apps import shell
from nib_utils.data import cc_download


def encoded(colour: int, form: str = "JPEG") -> bytes:
    file = BytesIO()
    Image.new("RGB", (9, 7), (colour, 90, 200)).save(file, form)
    return file.getvalue()


class Web:
    """A stand-in for the network: what each address holds, an exception or bytes, and which were asked for."""

    def __init__(self, holds: dict):
        self.holds, self.asked, self.lock = holds, [], threading.Lock()

    def __call__(self, url: str) -> bytes:
        with self.lock:
            self.asked.append(url)
        if url not in self.holds:
            raise OSError("no such host")
        if isinstance(self.holds[url], BaseException):
            raise self.holds[url]
        return self.holds[url]


def links(file: Path, *lines: str) -> Path:
    file.write_text("".join(line + "\n" for line in lines), "utf-8")
    return file


@pytest.fixture
def ten(tmp_path):
    """Ten links of which every third is dead."""
    web = Web({f"http://a/{i}.jpg": encoded(i) for i in range(10) if i % 3 != 1})
    return links(tmp_path / "list.tsv", *(f"caption {i}\thttp://a/{i}.jpg" for i in range(10))), tmp_path / "cc", web


def test_pairs_are_written_in_the_order_of_the_list_and_read_back(ten):
    file, root, web = ten
    found = nib.download_cc(file, root, fetch=web)
    assert found["row"].tolist() == [1, 3, 4, 6, 7, 9, 10]
    pairs = nib.load_pairs("cc", root)
    assert pairs["caption"].tolist() == [f"caption {i - 1}" for i in found["row"]]
    for path, i in zip(pairs["image"], found["row"] - 1):
        assert Path(path).read_bytes() == web.holds[f"http://a/{i}.jpg"]
    dead = pd.read_csv(root / "dead_links.csv")
    assert dead["row"].tolist() == [2, 5, 8] and dead["url"][0] == "http://a/1.jpg"
    assert set(dead["reason"]) == {"OSError: no such host"}
    assert {file.name for file in root.iterdir()} == {"cc.csv", "dead_links.csv", "images"}
    assert len(list((root / "images").iterdir())) == 7


@pytest.mark.parametrize("workers", [1, 4])
def test_n_counts_living_links_and_asks_for_no_more_than_it_needs(ten, workers):
    file, root, web = ten
    assert nib.download_cc(file, root, n=4, workers=workers, fetch=web)["row"].tolist() == [1, 3, 4, 6]
    assert sorted(web.asked) == [f"http://a/{i}.jpg" for i in range(6)]


def test_fewer_than_asked_for_warns(ten):
    file, root, web = ten
    with pytest.warns(UserWarning, match="8 pairs were asked for but .*list.tsv' gave 7"):
        assert len(nib.download_cc(file, root, n=8, fetch=web)) == 7


def test_it_goes_on_without_fetching_again_what_is_there_and_whole(ten):
    file, root, web = ten
    nib.download_cc(file, root, fetch=web)
    before = (root / "cc.csv").read_bytes()
    cut, gone = (root / path for path in pd.read_csv(root / "cc.csv")["file_path"][:2])
    cut.write_bytes(cut.read_bytes()[:-40])
    gone.unlink()
    web.asked.clear()
    nib.download_cc(file, root, fetch=web)
    assert sorted(web.asked) == [f"http://a/{i}.jpg" for i in (0, 1, 2, 4, 7)]  # the cut, the gone and the dead ones
    assert (root / "cc.csv").read_bytes() == before and cut.read_bytes() == web.holds["http://a/0.jpg"]


def test_an_interruption_keeps_whole_pictures_and_leaves_no_part_behind(ten):
    file, root, web = ten
    stopped = Web(web.holds | {"http://a/6.jpg": KeyboardInterrupt()})
    with pytest.raises(KeyboardInterrupt):
        nib.download_cc(file, root, workers=1, fetch=stopped)
    assert [path.name for path in root.iterdir()] == ["images"]
    assert all(cc_download.undecodable(path.read_bytes()) == "" for path in (root / "images").iterdir())
    assert not list((root / "images").glob(".*")) and len(list((root / "images").iterdir())) >= 4
    nib.download_cc(file, root, workers=1, fetch=web)
    assert "http://a/0.jpg" not in web.asked and len(nib.load_pairs("cc", root)) == 7


def test_another_list_in_the_same_folder_does_not_mix_pictures(ten):
    file, root, web = ten
    nib.download_cc(file, root, fetch=web)
    other = links(file.with_name("other.tsv"), "last\thttp://a/9.jpg", "first\thttp://a/0.jpg")
    nib.download_cc(other, root, fetch=web)
    pairs = nib.load_pairs("cc", root)
    assert pairs["caption"].tolist() == ["last", "first"]
    assert [Path(path).read_bytes() for path in pairs["image"]] == [encoded(9), encoded(0)]


def test_what_is_no_picture_is_reported_and_not_kept(tmp_path):
    web = Web({"http://a/whole.png": encoded(1, "PNG"), "http://a/page.jpg": b"<html>gone</html>",
               "http://a/cut.jpg": encoded(2)[:-60], "http://a/cut.png": encoded(3, "PNG")[:-30],
               "http://a/none.jpg": b"", "http://a/odd": encoded(4)})
    file = links(tmp_path / "l.tsv", *(f"caption\t{url}" for url in web.holds), "no tab here", "",
                 "a file\tfile:///etc/hostname", "\thttp://a/odd", "two\thttp://a/odd")
    found = nib.download_cc(file, tmp_path / "cc", fetch=web)
    assert found["row"].tolist() == [1, 6, 11]
    assert [Path(path).suffix for path in found["file_path"]] == [".png", ".jpg", ".jpg"]
    assert found["file_path"][1] == found["file_path"][2] and web.asked.count("http://a/odd") == 1
    dead = pd.read_csv(tmp_path / "cc/dead_links.csv", index_col="row", keep_default_na=False)["reason"]
    assert dead.index.tolist() == [2, 3, 4, 5, 7, 9, 10]
    assert dead[2] == "not a picture (UnidentifiedImageError in 17 bytes)" and "in 0 bytes" in dead[5]
    assert dead[[3, 4]].str.startswith("not a picture (").all()
    assert dead[7] == dead[9] == "the line is not 'caption TAB url' with an http link"
    assert dead[10] == "the caption is empty"
    assert "file:///etc/hostname" not in web.asked
    assert len(list((tmp_path / "cc/images").iterdir())) == 2


def test_lists_with_the_link_first_and_captions_that_look_like_something_else(tmp_path):
    web = Web({f"https://a/{i}": encoded(i) for i in range(3)})
    file = tmp_path / "cc12m.tsv"
    file.write_bytes('\ufeffhttps://a/0\tNA\r\nhttps://a/1\tsay "x", Käfer\r\nhttps://a/2\tone\u2028line\n'.encode())
    nib.download_cc(file, tmp_path / "cc", fetch=web)
    assert nib.load_pairs("cc", tmp_path / "cc")["caption"].tolist() == ["NA", 'say "x", Käfer', "one\u2028line"]


def test_links_are_fetched_side_by_side(tmp_path):
    together = threading.Barrier(8, timeout=20)  # lets nobody through before eight have come

    def fetch(url):
        together.wait()
        return encoded(1)

    file = links(tmp_path / "l.tsv", *(f"c\thttp://a/{i}" for i in range(16)))
    assert len(nib.download_cc(file, tmp_path / "cc", workers=8, fetch=fetch)) == 16


def test_a_full_disk_is_no_dead_link(ten, monkeypatch):
    file, root, web = ten

    def full(path, write):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cc_download, "write_whole", full)
    with pytest.raises(OSError, match="No space left"):
        nib.download_cc(file, root, fetch=web)


def test_what_cannot_be_done_is_said(ten, tmp_path):
    file, root, web = ten
    with pytest.raises(FileNotFoundError, match="no list .*none.tsv'; get one of lines 'caption TAB url'"):
        nib.download_cc(tmp_path / "none.tsv", root, fetch=web)
    with pytest.raises(ValueError, match="the folder of the pictures, '.*list.tsv/images', cannot be written to"):
        nib.download_cc(file, file, fetch=web)
    with pytest.raises(ValueError, match="n is 0; pass a whole number"):
        nib.download_cc(file, root, n=0, fetch=web)
    with pytest.raises(ValueError, match="workers is 0; pass a whole number"):
        nib.download_cc(file, root, workers=0, fetch=web)
    with pytest.raises(ValueError, match="no link of .*list.tsv' gave a picture; the first: row 1, OSError: no such"):
        nib.download_cc(file, root, fetch=Web({}))
    assert (root / "dead_links.csv").is_file() and not (root / "cc.csv").exists()
    with pytest.raises(ValueError, match="gave a picture, for it is empty"):
        nib.download_cc(links(tmp_path / "empty.tsv", ""), root, fetch=web)


# ---- over http, on this computer

class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        status = {"/gone.jpg": 404, "/moved.jpg": 302}.get(self.path, 200)
        content = b"gone" if status != 200 else encoded(len(self.path))
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) + (50 if self.path == "/short.jpg" else 0)))
        if status == 302:
            self.send_header("Location", "/there.jpg")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as here:
        threading.Thread(target=here.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{here.server_port}"
        here.shutdown()


def test_the_command_fetches_over_http(server, tmp_path, capsys):
    names = ["a.jpg", "gone.jpg", "moved.jpg", "short.jpg", "käfer é.jpg"]
    file = links(tmp_path / "list.tsv", *(f"{name}\t{server}/{name}" for name in names), "x\thttp://127.0.0.1:1/x.jpg")
    assert shell.main(["download-cc", str(file), str(tmp_path / "cc"), "--workers", "3"]) == 0
    assert "3 pairs in" in capsys.readouterr().out
    pairs = nib.load_pairs("cc", tmp_path / "cc")
    assert pairs["caption"].tolist() == ["a.jpg", "moved.jpg", "käfer é.jpg"]
    assert np.asarray(Image.open(pairs["image"][1])).shape == (7, 9, 3)
    dead = pd.read_csv(tmp_path / "cc/dead_links.csv", index_col="row")["reason"]
    assert dead[2] == "HTTP 404 Not Found" and "IncompleteRead" in dead[4] and "ConnectionRefused" in dead[6]


def test_what_is_too_large_is_not_fetched(server, monkeypatch):
    monkeypatch.setattr(cc_download, "LARGEST", 100)
    with pytest.raises(ValueError, match="larger than"):
        cc_download.fetch_http(f"{server}/a.jpg")


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    assert shell.main(["download-cc", str(tmp_path / "none.tsv"), str(tmp_path)]) == 1
    assert "nib_utils: there is no list" in capsys.readouterr().err
