"""Many images: any executor gives the same certificates, the file loses nothing, a killed run is gone on with."""

import base64
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import numpy as np
import pytest
from paths import NETS

import attacks.proofs.campaign
from attacks import Certificate, certified_minimum
from attacks.proofs.campaign import campaign
from attacks.report.cli import main
from attacks.report.workers import workers
from attacks.result import Reason
from minigrad import MLP
from minigrad.io.files import alone

COUNT = 6


@pytest.fixture(scope="module")
def task():
    """Six images of a small network with two hidden layers, labelled as the network sees them."""
    rng = np.random.default_rng(3)
    sizes = [(7, 6), (6, 5), (5, 1)]
    net = MLP.from_arrays([(rng.normal(size=(a, b)), rng.normal(size=b) / 4) for a, b in sizes])
    x = rng.random((COUNT, 7))
    return net, x, net.predict(x)


def same(a: Certificate, b: Certificate) -> bool:
    """Equal but for the seconds."""
    return all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for name in ("norm", "lower", "upper", "x", "y", "x_adv", "optimal", "reason", "nodes", "radius", "network")
    ) and (a.tree.layer, a.tree.index, a.tree.child) == (b.tree.layer, b.tree.index, b.tree.child)


@pytest.fixture(scope="module")
def executors():
    with workers(1) as one, workers(2) as two, ThreadPoolExecutor(2) as threads:
        yield {"none": None, "one": one, "two": two, "threads": threads}


@pytest.mark.parametrize(("norm", "count"), [("l0", COUNT), ("linf", 4)])
def test_one_worker_two_workers_threads_and_none_give_the_same_certificates(task, executors, tmp_path, norm, count):
    net, x, y = task[0], task[1][:count], task[2][:count]
    options = {"norm": norm, "node_limit": 400, "time_limit": 600}
    # one image at a time, as a campaign does it: a product of several rows may round differently
    here = [certified_minimum(net, x[i : i + 1], y[i : i + 1], **options)[0] for i in range(count)]
    assert len({c.upper for c in here}) > 1 and max(c.nodes for c in here) > 1 and all(c.optimal for c in here)
    for name, executor in executors.items():
        seen = []
        found = campaign(net, x, y, tmp_path / f"{name}.jsonl", executor=executor, on_progress=seen.append, **options)
        assert all(same(a, b) for a, b in zip(found, here, strict=True)), name
        assert [p.done for p in seen] == list(range(count + 1)) and seen[-1].open == 0 and seen[-1].left == 0
        lines = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        assert sorted(line["image"] for line in lines[1:]) == list(range(count))
        assert all(line["lower"] == here[line["image"]].lower for line in lines[1:])
    for c in found:
        c.check(net)


def test_a_killed_run_resumes_and_loses_nothing(task, tmp_path, monkeypatch):
    net, x, y = task
    whole = campaign(net, x, y, tmp_path / "whole.jsonl", norm="l0")
    content = (tmp_path / "whole.jsonl").read_bytes()
    first, *rest = content.splitlines(keepends=True)
    made = []
    real = attacks.proofs.campaign.prove_one
    monkeypatch.setattr(attacks.proofs.campaign, "prove_one", lambda *a: made.append(1) or real(*a))
    for cut in (0, 7, len(first), len(first) + 20, len(first) + len(rest[0]) + 3, len(content) - 1, len(content)):
        path = tmp_path / f"{cut}.jsonl"
        path.write_bytes(content[:cut])
        made.clear()
        again = campaign(net, x, y, path, norm="l0")
        assert all(same(a, b) for a, b in zip(again, whole, strict=True))
        kept = max(content[:cut].count(b"\n") - 1, 0)
        assert len(made) == COUNT - kept  # what was whole is not done again
        lines = path.read_bytes().splitlines()
        assert len(lines) == COUNT + 1 and len({json.loads(line)["image"] for line in lines[1:]}) == COUNT


def test_a_worker_that_dies_is_said_and_the_file_stays(task, tmp_path, monkeypatch):
    net, x, y = task

    class Broken(ThreadPoolExecutor):
        def submit(self, function, *args, **kwargs):
            if args[1] is not None and np.array_equal(args[1], x[4]):
                return super().submit(self._die)
            return super().submit(function, *args, **kwargs)

        def _die(self):
            raise BrokenProcessPool("a process in the pool was terminated abruptly")

    path = tmp_path / "c.jsonl"
    with Broken(1) as executor, pytest.raises(RuntimeError, match=r"a worker failed on image 4 .*run again to go on"):
        campaign(net, x, y, path, norm="l0", executor=executor)
    assert len(campaign(net, x, y, path, norm="l0")) == COUNT


def test_another_question_or_a_foreign_file_is_refused_and_left_alone(task, tmp_path):
    net, x, y = task
    path = tmp_path / "c.jsonl"
    campaign(net, x[:3], y[:3], path, norm="l0")
    before = path.read_bytes()
    changed = x[:3].copy()
    changed[0, 0] += 0.01
    for norm, *other in (
        ("l0", net, x[:2], y[:2]), ("l0", net, changed, y[:3]), ("linf", net, x[:3], y[:3]),
        ("l0", net, np.vstack([changed, x[3:]]), y),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"it answers another question .*name another file"):
            campaign(*other, path, norm=norm)
        assert path.read_bytes() == before
    for foreign in (b"a, b\n1, 2\n", b"no newline", b'{"a": 1}\n', before + b'{"image": 0}\n', b"\xff\xfe\n"):
        path.write_bytes(foreign)
        with pytest.raises(ValueError, match="expected the lines of a campaign"):
            campaign(net, x[:3], y[:3], path, norm="l0")
        assert path.read_bytes() == foreign


def test_more_images_extend_what_is_there(task, tmp_path, monkeypatch):
    """Four, then six: two are proved.  The file then asks for six, and a torn line of the extension changes nothing."""
    net, x, y = task
    path, options = tmp_path / "c.jsonl", {"norm": "linf", "node_limit": 50, "time_limit": 600}
    per_row = {"mask": np.random.default_rng(0).random((COUNT, 7)) < 0.8, "target": 1 - y}
    whole = campaign(net, x, y, tmp_path / "whole.jsonl", **options, **per_row)
    campaign(net, x[:4], y[:4], path, **options, **{name: value[:4] for name, value in per_row.items()})
    four, made = path.read_bytes(), []
    real = attacks.proofs.campaign.prove_one
    monkeypatch.setattr(attacks.proofs.campaign, "prove_one", lambda *a: made.append(1) or real(*a))
    found = campaign(net, x, y, path, **options, **per_row)
    assert len(made) == 2 and all(same(a, b) for a, b in zip(found, whole, strict=True))
    six = path.read_bytes()
    assert six.startswith(four) and [row.get("images") for row in map(json.loads, six.splitlines())].count(None) == 6
    for cut in (len(four) + 10, len(six) - 10):
        path.write_bytes(six[:cut])
        assert all(same(a, b) for a, b in zip(campaign(net, x, y, path, **options, **per_row), whole, strict=True))
    with pytest.raises(ValueError, match=r"it answers another question \(of 6 images, got 4\)"):
        campaign(net, x[:4], y[:4], path, **options, **{name: value[:4] for name, value in per_row.items()})


def edited(line, shown=(), sealed=None, **fields):
    """A line whose certificate says something else; `shown`: its own numbers too; `sealed`: with the digest of that."""
    row = json.loads(line)
    cert = Certificate.from_bytes(base64.b64decode(row["certificate"]))
    row["certificate"] = base64.b64encode(replace(cert, **fields).to_bytes()).decode()
    row |= {name: fields[name] for name in shown}
    if sealed is not None:
        del row["sha256"]
    if sealed:
        row["sha256"] = hashlib.sha256(json.dumps(row).encode()).hexdigest()
    return json.dumps(row).encode() + b"\n"


def test_an_edited_line_is_not_believed(task, tmp_path):
    """`lower` times 3: by hand, in the certificate, with its digest or without.  The file is refused and left alone."""
    net, x, y = task
    path = tmp_path / "c.jsonl"
    certs = campaign(net, x, y, path, norm="linf", node_limit=50, time_limit=600)
    first, *rows = path.read_bytes().splitlines(keepends=True)
    row, cert = rows[2], certs[2]
    assert json.loads(row)["image"] == 2 and cert.optimal
    more = {"lower": 3 * cert.lower}
    whole = more | {"upper": np.inf, "x_adv": None, "attack": np.inf, "radius": 3 * cert.radius, "optimal": False}
    whole |= {"reason": Reason.TIME}
    wrong = {
        "the number shown": json.dumps(json.loads(row) | more).encode() + b"\n",
        "one digit of the digest": row[:-4] + (b"0" if row[-4:-3] != b"0" else b"1") + row[-3:],
        "another digest": json.dumps(json.loads(row) | {"sha256": 5}).encode() + b"\n",
        "the certificate alone": edited(row, **more),
        "both": edited(row, ("lower",), **more),
        "both, sealed": edited(row, ("lower",), True, **more),
        "both, without a digest": edited(row, ("lower",), False, **more),
        "all of the claim, without a digest": edited(row, ("lower", "optimal", "reason"), False, **whole),
        "another image's": json.dumps(json.loads(rows[3]) | {"image": 2}).encode() + b"\n",
    }
    for how, line in wrong.items():
        content = b"".join([first, *rows[:2], line, *rows[3:]])
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"c\.jsonl: expected the lines of a campaign, .* in line 4 \(\w"):
            campaign(net, x, y, path, norm="linf", node_limit=50, time_limit=600)
        assert path.read_bytes() == content, how
    path.write_bytes(b"".join([first, *rows[:2], *rows[3:]]))  # as the sentence says: delete it
    again = campaign(net, x, y, path, norm="linf", node_limit=50, time_limit=600)
    assert all(same(a, b) for a, b in zip(again, certs, strict=True))


def test_a_line_without_a_digest_is_replayed(task, tmp_path, monkeypatch):
    """Lines of version 0.1.0 have none: they are believed after a full check, the others without their trees."""
    net, x, y = task
    path, replays = tmp_path / "c.jsonl", []
    certs = campaign(net, x, y, path, norm="linf", node_limit=50, time_limit=600)
    real = Certificate._check_lower
    monkeypatch.setattr(Certificate, "_check_lower", lambda *given: replays.append(given) or real(*given))
    campaign(net, x, y, path, norm="linf", node_limit=50, time_limit=600)
    assert not replays
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    for row in rows[1:3]:
        del row["sha256"]
    path.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    again = campaign(net, x, y, path, norm="linf", node_limit=50, time_limit=600)
    assert len(replays) == 2 and all(same(a, b) for a, b in zip(again, certs, strict=True))


def test_two_runs_at_once_are_refused(task, tmp_path):
    net, x, y = task
    path, said = tmp_path / "c.jsonl", []

    def again(_):
        with pytest.raises(ValueError, match=r"c.jsonl: another run is writing to it: wait for its end, or name") as e:
            campaign(net, x, y, path, norm="l0")
        said.append(e)

    found = campaign(net, x, y, path, norm="l0", on_progress=again)
    assert len(said) == COUNT + 1
    assert all(same(a, b) for a, b in zip(campaign(net, x, y, path, norm="l0"), found, strict=True))


def test_two_proves_in_one_folder_are_refused_before_any_work(tmp_path, capsys):
    with alone(tmp_path):
        assert main(["prove", "--out", str(tmp_path), "--count", "1"]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    busy = "another run is writing to this folder: wait for its end, or name another"
    assert sentence == f"error: --out: {tmp_path}: {busy}"
    assert not list(tmp_path.iterdir())


def test_bad_input_is_refused_before_a_file_is_made(task, tmp_path, capsys):
    net, x, y = task
    with pytest.raises(ValueError, match="norm: expected one of l0, l1, l2, linf, got 'l3'"):
        campaign(net, x, y, tmp_path / "c.jsonl", norm="l3")
    with pytest.raises(ValueError, match="norm: expected one of l0, l1, l2, linf, got none: say how"):
        campaign(net, x, y, tmp_path / "c.jsonl")
    assert not (tmp_path / "c.jsonl").exists()
    model = ["--model", str(NETS / "784-32-1.npz"), "--out", str(tmp_path / "p")]
    for wrong, sentence in (
        (["--count", "0"], "count: expected at least 1"),
        (["--count", "5000"], "count: expected at most"),
        (["--workers", "0"], "workers: expected at least 1"),
        (["--time-limit", "-1"], "--time-limit: expected a number of at least 0"),
        (["--norm", "linf", "--gap", "0"], "gap: expected a number of at least 1e-09"),
        (["--gap", "nan"], "gap: expected a number of at least 0"),
    ):
        assert main(["prove", *model, *wrong]) == 2
        assert sentence in capsys.readouterr().err
        assert not (tmp_path / "p").exists()
    for options, sentence in (
        ({"executor": 4}, "executor: expected a concurrent.futures.Executor, got int"),
        ({"on_progress": 4}, "on_progress: expected a function, got int"),
    ):
        with pytest.raises(ValueError, match=sentence):
            campaign(net, x, y, tmp_path / "c.jsonl", norm="l0", **options)
        assert not (tmp_path / "c.jsonl").exists()
    with pytest.raises(ValueError, match="on_image: expected a function, got str"):
        certified_minimum(net, x, y, norm="l0", on_image="print")


def test_a_refused_run_leaves_the_network_of_the_proofs(tmp_path, capsys):
    model, other = (str(NETS / f"784-{name}-1.npz") for name in ("32", "64-32"))
    command = ["prove", "--count", "2", "--out", str(tmp_path / "p")]
    assert main([*command, "--model", model]) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "p").iterdir()}
    for wrong in (["--model", other], ["--model", model, "--norm", "linf"]):
        assert main([*command, *wrong]) == 2
        assert "it answers another question" in capsys.readouterr().err
        assert {path.name: path.read_bytes() for path in (tmp_path / "p").iterdir()} == before
    assert main([*command, "--model", model]) == 0 == main(command)  # the network is in the folder


def test_proofs_of_a_network_trained_otherwise_are_another_question(task, tmp_path):
    net, x, y = task
    path = tmp_path / "c.jsonl"
    found = campaign(net, x[:2], y[:2], path, norm="l0", note={"seed": 0})
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"it answers another question \(other seed\)"):
        campaign(net, x[:2], y[:2], path, norm="l0", note={"seed": 1})
    for note in (None, {"seed": 0}, {"seed": 0, "epochs": 3}):  # of what it does not say, nothing is asked
        again = campaign(net, x[:2], y[:2], path, norm="l0", note=note)
        assert all(same(a, b) for a, b in zip(again, found, strict=True))
    assert path.read_bytes() == before


def test_without_a_time_limit(task, tmp_path):
    net, x, y = task
    found = campaign(net, x[:2], y[:2], tmp_path / "c.jsonl", norm="l0", time_limit=np.inf)
    assert all(c.optimal for c in found)
    assert json.loads((tmp_path / "c.jsonl").read_text().splitlines()[0])["time_limit"] is None
    assert len(campaign(net, x[:2], y[:2], tmp_path / "c.jsonl", norm="l0", time_limit=np.inf)) == 2


def test_on_a_dask_cluster(task, tmp_path):
    distributed = pytest.importorskip("distributed", reason="dask.distributed is the optional extra 'cluster'")
    net, x, y = task
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        found = campaign(net, x, y, tmp_path / "c.jsonl", norm="l0", executor=client.get_executor(), node_limit=400)
    here = [certified_minimum(net, x[i : i + 1], y[i : i + 1], norm="l0", node_limit=400)[0] for i in range(COUNT)]
    assert all(same(a, b) for a, b in zip(found, here, strict=True))
