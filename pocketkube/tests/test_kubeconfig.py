"""The user's kubeconfig: ours in, ours out, nobody else's touched."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from pocketkube import kubeconfig
from pocketkube.kubeconfig import CONTEXT, KubeconfigError, entry, merge, remove, target

OTHERS = """\
apiVersion: v1
kind: Config
clusters:
- name: prod
  cluster: {server: "https://prod", extensions: [{name: x, extension: {a: 1}}]}
contexts:
- name: prod
  context: {cluster: prod, user: me, namespace: web}
current-context: prod
preferences: {colors: true}
users:
- name: me
  user: {exec: {command: aws, args: [a, b]}}
"""


@pytest.fixture
def ours(tmp_path: Path) -> dict[str, Any]:
    for name in ("ca", "cert", "key"):
        (tmp_path / name).write_text(name)
    return entry("https://127.0.0.1:1", tmp_path / "ca", tmp_path / "cert", tmp_path / "key")


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())  # type: ignore[no-any-return]


def test_a_new_file_is_ours_alone_and_private(tmp_path: Path, ours: dict[str, Any]) -> None:
    path = tmp_path / "deep" / "config"
    merge(path, ours)
    assert load(path)["current-context"] == CONTEXT
    assert [user["name"] for user in load(path)["users"]] == [CONTEXT]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.with_name("config.lock").exists()


def test_others_stay_as_they_are(tmp_path: Path, ours: dict[str, Any]) -> None:
    path = tmp_path / "config"
    path.write_text(OTHERS)
    merge(path, ours)
    merged = load(path)
    assert merged["current-context"] == CONTEXT
    for section in ("clusters", "contexts", "users"):
        assert merged[section][0] == yaml.safe_load(OTHERS)[section][0]
        assert merged[section][1]["name"] == CONTEXT
    assert merged["preferences"] == {"colors": True}


def test_merging_again_replaces_ours(tmp_path: Path, ours: dict[str, Any]) -> None:
    path = tmp_path / "config"
    merge(path, ours)
    ours["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:2"
    merge(path, ours)
    assert [c["cluster"]["server"] for c in load(path)["clusters"]] == ["https://127.0.0.1:2"]


def test_removing_takes_out_ours_only(tmp_path: Path, ours: dict[str, Any]) -> None:
    path = tmp_path / "config"
    path.write_text(OTHERS)
    merge(path, ours)
    assert remove(path)
    left = load(path)
    assert left["current-context"] == ""
    assert {s: left[s] for s in ("clusters", "contexts", "users")} == {
        s: yaml.safe_load(OTHERS)[s] for s in ("clusters", "contexts", "users")
    }
    assert not remove(path)
    assert not remove(tmp_path / "absent")


def test_a_user_who_went_to_another_context_stays_there(tmp_path: Path, ours: dict[str, Any]) -> None:
    path = tmp_path / "config"
    path.write_text(OTHERS)
    merge(path, ours)
    path.write_text(path.read_text().replace(f"current-context: {CONTEXT}", "current-context: prod"))
    remove(path)
    assert load(path)["current-context"] == "prod"


def test_a_file_that_is_no_kubeconfig_is_left_alone(tmp_path: Path, ours: dict[str, Any]) -> None:
    path = tmp_path / "config"
    for content in ("a: [", "- a list"):
        path.write_text(content)
        with pytest.raises(KubeconfigError, match="is no valid kubeconfig"):
            merge(path, ours)
        assert path.read_text() == content


def test_a_locked_file_is_waited_for_and_then_named(
    tmp_path: Path, ours: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubeconfig, "LOCK_PATIENCE", 0.05)
    path = tmp_path / "config"
    path.with_name("config.lock").touch()
    with pytest.raises(KubeconfigError, match=r"config is locked; .* remove .*config\.lock"):
        merge(path, ours)


def test_a_link_is_followed(tmp_path: Path, ours: dict[str, Any]) -> None:
    real, link = tmp_path / "real", tmp_path / "config"
    real.write_text(OTHERS)
    link.symlink_to(real)
    merge(link, ours)
    assert link.is_symlink()
    assert load(real)["current-context"] == CONTEXT


def test_which_file_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert target(None) == tmp_path / ".kube" / "config"
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(["", str(one), str(two)]))
    assert target(None) == two
    one.touch()
    assert target(None) == one
    assert target(str(two)) == two
