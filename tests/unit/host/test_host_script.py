"""Scripts for the host: every value survives every shell, no secret shows, a cut runs nothing."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ops.errors import Refused
from ops.host.script import HostPath, Script, Words, shell_text
from ops.secrets import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from ops.host.script import Value

SHELLS: Final = [
    pytest.param(argv, id=argv[-1])
    for argv in (["dash"], ["bash"], ["bash", "--posix"], ["busybox", "sh"])
    if shutil.which(argv[0])
]
CANARY: Final = "p@:/% '\"$`\\ \\n\n*?[a]!~#&|;<>(){}ü€𝄞\x7f\x81\x88\x98 -n"
TEXT: Final = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def run(shell: list[str], script: str, home: str = "/home/some one") -> bytes:
    done = subprocess.run(
        [*shell, "-s"],
        input=script.encode(),
        capture_output=True,
        check=True,
        timeout=20,
        env={"PATH": "/usr/bin:/bin", "HOME": home},
    )
    assert done.stderr == b""
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_any_text_survives_in_every_kind_of_value(shell: list[str]) -> None:
    body = r"""printf '%s\0' "$text" "$secret" "$path" "$home" "$(printenv exported)" "$PATH"
show -- "$text"
printf '%s\0' "$yes" "$no" "$number"
"""

    @settings(max_examples=40, deadline=None)
    @example(CANARY)
    @example("\n")
    @example("END_OF_JOB'")
    @given(TEXT)
    def survives(text: str) -> None:
        values: dict[str, Value] = {
            "text": text,
            "secret": Secret(text),
            "path": HostPath("/" + text),
            "home": HostPath("~/" + text),
            "yes": True,
            "no": False,
            "number": -17,
            "show": Words(("printf", "%s|%s|%s|%s\\0", text, HostPath("~/" + text))),
        }
        environment = {"exported": Secret(text)}
        script = Script(body, values, environment, (HostPath("~/bin" + text), HostPath("/b")))
        home = "/home/some one" + (f"/{text}" if text else "")
        # The shell takes the line ends off a command substitution.
        wanted = [text, text, "/" + text, home, text.rstrip("\n")]
        wanted += [f"/home/some one/bin{text}:/b:/usr/bin:/bin", f"{text}|{home}|--|{text}"]
        assert run(shell, script.render()).decode() == "\0".join([*wanted, "yes", "", "-17", ""])

    survives()


@given(TEXT.filter(lambda text: len(text) > 3))
@example(CANARY)
def test_a_masked_script_is_the_same_whatever_the_secret(text: str) -> None:
    def masked(secret: str) -> str:
        value = Secret(secret)
        return Script(":", {"a": value, "b": "x"}, {"C": value}).masked()

    assert masked(text) == masked("other")
    assert masked(text).count("'***'") == 2


def test_a_masked_script_differs_from_the_rendered_one_in_its_secrets_only() -> None:
    script = Script("echo hi", {"a": Secret("s3cret"), "b": "seen"}, {"C": Secret("d'eep")})
    rendered = script.render().replace("s3cret", "'***'").replace("'d'\"'\"'eep'", "'***'")
    assert script.masked() == rendered


@pytest.mark.parametrize("talks", [False, True])
@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_cut_anywhere_runs_nothing(shell: list[str], talks: bool, tmp_path: Path) -> None:
    body = f"touch {tmp_path}/ran\n"
    text = Script(body, {"x": "ü 'q'\n"}, {"P": Secret("s")}, (HostPath("~/a"),), talks).render()
    data = text.encode()
    # The whole text but for its last line end is whole.
    for end in range(len(data) - 1):
        subprocess.run([*shell, "-s"], input=data[:end], capture_output=True, check=False)
        assert not (tmp_path / "ran").exists(), data[:end]
    subprocess.run([*shell, "-s"], input=data[:-1], check=True, timeout=10)
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_does_not_eat_what_follows_on_stdin(shell: list[str]) -> None:
    assert run(shell, Script("cat\n").render() + "echo after\n") == b"after\n"


def test_a_nul_byte_is_refused() -> None:
    with pytest.raises(Refused, match="NUL byte"):
        Script(":", {"a": Secret("x\0y")}).render()


@pytest.mark.parametrize("name", ["a-b", "1a", "a b", "", "a;b", "ü"])
def test_a_name_that_is_no_variable_is_a_mistake_of_ours(name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a shell variable"):
        Script(":", {name: "x"}).render()
    with pytest.raises(ValueError, match="not the name of a shell variable"):
        Script(":", environment={name: "x"}).render()


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("~", "/home/some one"),
        ("~/", "/home/some one"),
        ("~/a b", "/home/some one/a b"),
        ("~root/x", "~root/x"),
        ("a~/b", "a~/b"),
        ("$HOME/x", "$HOME/x"),
        ("", ""),
    ],
)
def test_only_a_leading_tilde_is_the_home_directory(path: str, found: str) -> None:
    script = Script('printf %s "$p"', {"p": HostPath(path)})
    assert run(["sh"], script.render()).decode() == found


def test_paths_are_joined_with_one_slash() -> None:
    assert str(HostPath("~/a/") / "b") == "~/a/b"
    assert str(HostPath("/a") / "b") == "/a/b"


def test_the_header_of_a_shell_file_is_left_out() -> None:
    text = shell_text("ops.host", "follow")
    assert not text.startswith("#")
    assert "# shellcheck shell" not in text
