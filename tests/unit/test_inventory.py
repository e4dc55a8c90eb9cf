"""The inventory: every mistake is one line with its place and a hint, at both doors."""

from __future__ import annotations

import contextlib
import json
import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.actions.catalogue import ACTIONS
from ops.errors import ExitCode, InventoryError
from ops.inventory import (
    RESERVED,
    Environment,
    Host,
    PrismaCommand,
    Scratch,
    UrlSource,
    descriptions,
    load,
    locate,
    schema_json,
)
from ops.reference import REFERENCE, SCHEMA, inventory_reference, main
from tests.doors import GOOD, ROOT, Doors

if TYPE_CHECKING:
    from collections.abc import Callable


class Broken(NamedTuple):
    """A broken file: what is wrong with it, the place that is named, the words that say it."""

    rule: str
    text: str | bytes
    place: str
    problem: str
    hint: str = ""


def plus(line: str) -> str:
    """The good file with one line more in its environment."""
    return GOOD + textwrap.indent(line, "    ") + "\n"


def changed(key: str, value: str) -> str:
    """The good file with another value for a key of its environment."""
    lines = [line for line in GOOD.splitlines() if not line.startswith(f"    {key}:")]
    return "\n".join([*lines, f"    {key}: {value}" if value else "", ""])


def named(name: str) -> str:
    """The good file with another name for its environment."""
    return GOOD.replace("  prod:", f"  {name}:")


def host(text: str) -> str:
    """The good file with another host."""
    return changed("hosts", f"[{{{text}}}]")


PROD = "environments.prod"
FINGERPRINT = "SHA256:" + "A" * 43
BROKEN = (
    # not YAML, or not what it seems
    Broken("empty file", "", "environments", "expected a mapping", "start with"),
    Broken("only a comment", "# nothing\n", "environments", "expected a mapping"),
    Broken("a list", "- prod\n", "environments", "expected a mapping"),
    Broken("a word", "prod\n", "environments", "expected a mapping"),
    Broken("binary", b"\x7fELF\x02\x01\xff\xfe\x00", "", "not UTF-8 (byte 6)", "UTF-8"),
    Broken("latin-1", b"environments: {pr\xf6d: {}}", "", "not UTF-8 (byte 17)"),
    Broken("a NUL", GOOD + "\x00", "", "not YAML: unacceptable character #x0000"),
    Broken("tab", "environments:\n\tprod:\n", ":2:1", "cannot start any token", "spaces"),
    Broken("bad indent", GOOD + "   branch: main\n", ":7:4", "expected <block end>", "mend"),
    Broken("unclosed brace", "environments: {prod: {", ":1:23", "while parsing a flow node"),
    Broken("unclosed quote", 'environments: "a\n', ":2:1", "found unexpected end of stream"),
    Broken("two documents", GOOD + "---\n" + GOOD, ":7:1", "expected a single document"),
    Broken("a Python tag", "environments: !!python/object:os.system {}", ":1:15", "constructor"),
    Broken("a wrong tag", "environments: !!map prod", ":1:15", "expected a mapping node"),
    Broken("unknown alias", "environments: *prod", ":1:15", "undefined alias"),
    Broken("key twice", plus("repo: /srv/b"), ":7:5", "the key `repo` stands here twice"),
    Broken("name twice", GOOD + "  prod: {}\n", ":7:3", "the key `prod` stands here twice"),
    Broken("a list as key", "environments: {? [a] : {}}", ":1:18", "a key must be a single word"),
    Broken("no such date", plus("branch: 2024-02-31"), "", "not YAML: day is out of range"),
    Broken("deep nesting", "[" * 1_200, "", "nested too deeply"),
    # the top
    Broken("unknown at the top", f"{GOOD}envs: 1\n", "envs", "unknown key at the top"),
    Broken("misspelled top", "environment: {}", "environment", "unknown key", "`environments`?"),
    Broken("environments null", "environments:\n", "environments", "expected a mapping"),
    Broken("environments a list", "environments: [prod]", "environments", "expected a mapping"),
    Broken("no environment", "environments: {}", "environments", "there is none"),
    # names
    Broken("yes is true", named("yes"), "environments.True", "not a name", "quote yes"),
    Broken("off is false", named("off"), "environments.False", "not a name"),
    Broken("a number", named("12"), "environments.12", "not a name"),
    Broken("null", named("~"), "environments.None", "not a name"),
    Broken("upper case", named("Prod"), "environments.Prod", "not a name"),
    Broken("empty name", named('""'), "environments.(empty)", "not a name"),
    Broken("a leading dash", named("-H"), "environments.-H", "not a name"),
    Broken("a path", named("a/b"), "environments.a/b", "not a name"),
    Broken("newline in name", named('"a\\nb"'), "environments.a b", "not a name"),
    Broken("not ASCII", named("münchen"), "environments.münchen", "not a name"),
    Broken("too long", named("p" * 64), f"environments.{'p' * 64}", "too long", "63"),
    Broken("an action", named("recover"), "environments.recover", "name of an action", "-host"),
    Broken("_ and -", f"{named('a_b')}  a-b: {{}}\n", "environments.a-b", "the same as `a_b`"),
    # one environment
    Broken("null environment", "environments: {prod: }", PROD, "expected mapping, got null"),
    Broken("no repo", changed("repo", ""), f"{PROD}.repo", "is missing", "git checkout"),
    Broken("no hosts", changed("hosts", ""), f"{PROD}.hosts", "is missing", "machines"),
    Broken("unknown key", plus("brunch: main"), f"{PROD}.brunch", "unknown key", "`branch`?"),
    Broken("key with newline", plus('"a\\nb": 1'), PROD, "holds a control character"),
    Broken("number for text", changed("repo", "7"), f"{PROD}.repo", "expected str, got int"),
    Broken("list for text", changed("backups", "[/b]"), f"{PROD}.backups", "expected str, got"),
    Broken("bool for text", plus("branch: no"), f"{PROD}.branch", "expected str, got bool"),
    Broken("date for text", plus("branch: 2024-01-01"), f"{PROD}.branch", "expected str"),
    Broken("text for bool", plus('confirm: "yes"'), f"{PROD}.confirm", "expected bool, got str"),
    Broken("number for bool", plus("confirm: 1"), f"{PROD}.confirm", "expected bool, got int"),
    Broken("word of a choice", plus("install: maybe"), f"{PROD}.install", "'maybe'", "auto"),
    Broken("relative repo", changed("repo", "app"), f"{PROD}.repo", "must be absolute"),
    Broken("someone's home", changed("repo", "~bob/a"), f"{PROD}.repo", "must be absolute"),
    Broken("repo goes up", changed("repo", "/a/../b"), f"{PROD}.repo", "must not go up"),
    Broken("relative backups", changed("backups", "./b"), f"{PROD}.backups", "must be absolute"),
    Broken("relative state", plus("state: s"), f"{PROD}.state", "must be absolute"),
    Broken("relative path", plus("path: [bin]"), f"{PROD}.path[0]", "must be absolute"),
    Broken("two in path", plus("path: [/a, '/b:/c']"), f"{PROD}.path[1]", "one path"),
    Broken("path as text", plus("path: /usr/bin"), f"{PROD}.path", "expected list, got str"),
    Broken("number in path", plus("path: [1]"), f"{PROD}.path[0]", "expected str, got int"),
    Broken("app outside", plus("app: ../x"), f"{PROD}.app", "inside the repository"),
    Broken("app hidden way out", plus("app: a/../../x"), f"{PROD}.app", "inside the repository"),
    Broken("absolute app", plus("app: /x"), f"{PROD}.app", "inside the repository"),
    Broken("empty app", plus('app: ""'), f"{PROD}.app", "inside the repository"),
    Broken("schema outside", plus("schema: ../../x"), f"{PROD}.schema", "inside the repository"),
    Broken("option as branch", plus("branch: --force"), f"{PROD}.branch", "name of a branch"),
    Broken("space in branch", plus("branch: a b"), f"{PROD}.branch", "name of a branch"),
    Broken("range as branch", plus("branch: a..b"), f"{PROD}.branch", "name of a branch"),
    Broken("newline in text", plus('app: "a\\nb"'), f"{PROD}.app", "control character"),
    Broken("block of text", plus("app: |\n  a\n  b"), f"{PROD}.app", "line break"),
    Broken("escape in text", plus('app: "\\e[2J"'), f"{PROD}.app", "control character"),
    Broken("lone surrogate", plus('app: "\\ud800"'), f"{PROD}.app", "control character"),
    Broken("newline in list", plus('path: ["/a\\n"]'), f"{PROD}.path[0]", "control character"),
    Broken("empty prisma", plus('prisma: ""'), f"{PROD}.prisma", "is empty"),
    Broken("no prisma words", plus("prisma: []"), f"{PROD}.prisma", "list of words"),
    Broken("empty prisma word", plus('prisma: [npx, ""]'), f"{PROD}.prisma", "list of words"),
    Broken("empty cli", plus("prisma: {cli: []}"), f"{PROD}.prisma.cli", "list of words"),
    Broken("empty deploy", plus('prisma: {deploy: " "}'), f"{PROD}.prisma.deploy", "is empty"),
    Broken("prisma number", plus("prisma: 6"), f"{PROD}.prisma", "expected str | mapping | list"),
    Broken("empty ssh_config", plus('ssh_config: ""'), f"{PROD}.ssh_config", "is empty"),
    # hosts
    Broken("hosts a mapping", changed("hosts", "{host: a}"), f"{PROD}.hosts", "expected list"),
    Broken("hosts empty", changed("hosts", "[]"), f"{PROD}.hosts", "length >= 1"),
    Broken("host a word", changed("hosts", "[a.example]"), f"{PROD}.hosts[0]", "got str"),
    Broken("second host", changed("hosts", "[{host: a}, {}]"), f"{PROD}.hosts[1].host", "missing"),
    Broken("user@host", host("host: me@a"), f"{PROD}.hosts[0].host", "bare host name"),
    Broken("host:port", host("host: 'a:22'"), f"{PROD}.hosts[0].host", "bare host name"),
    Broken("ssh URL", host("host: 'ssh://a'"), f"{PROD}.hosts[0].host", "bare host name"),
    Broken("two hosts in one", host("host: 'a,b'"), f"{PROD}.hosts[0].host", "bare host name"),
    Broken("option as host", host("host: -oProxyCommand=x"), f"{PROD}.hosts[0].host", "bare"),
    Broken("brackets", host("host: '[::1]'"), f"{PROD}.hosts[0].host", "bare host name"),
    Broken("empty host", host("host: ''"), f"{PROD}.hosts[0].host", "bare host name"),
    Broken("text as port", host("host: a, port: '22'"), f"{PROD}.hosts[0].port", "got str"),
    Broken("octal port", host("host: a, port: 022"), f"{PROD}.hosts[0].port", "got str"),
    Broken("hexadecimal port", host("host: a, port: 0x16"), f"{PROD}.hosts[0].port", "got str"),
    Broken("base 60 port", host("host: a, port: 1:30"), f"{PROD}.hosts[0].port", "got str"),
    Broken("port 0", host("host: a, port: 0"), f"{PROD}.hosts[0].port", ">= 1", "65535"),
    Broken("port too big", host("host: a, port: 65536"), f"{PROD}.hosts[0].port", "<= 65535"),
    Broken("negative port", host("host: a, port: -22"), f"{PROD}.hosts[0].port", ">= 1"),
    Broken("float port", host("host: a, port: 22.5"), f"{PROD}.hosts[0].port", "got float"),
    Broken("space in user", host("host: a, user: a b"), f"{PROD}.hosts[0].user", "login name"),
    Broken("option as user", host("host: a, user: -l"), f"{PROD}.hosts[0].user", "login name"),
    Broken("no fingerprint", host("host: a, host_key: x"), f"{PROD}.hosts[0].host_key", "43"),
    Broken(
        "old fingerprint",
        host("host: a, host_key: 'MD5:00:11'"),
        f"{PROD}.hosts[0].host_key",
        "not a fingerprint",
        "known_hosts",
    ),
    Broken(
        "cut fingerprint",
        host(f"host: a, host_key: '{FINGERPRINT[:-1]}'"),
        f"{PROD}.hosts[0].host_key",
        "43 letters",
    ),
    Broken("old word", host("host: a, hostkey: x"), f"{PROD}.hosts[0].hostkey", "unknown", "host"),
    # where the URL is
    Broken(
        "URL in the file",
        changed("database_url", "postgresql://u:p@h/d"),
        f"{PROD}.database_url",
        "expected mapping, got str",
    ),
    Broken("no form", changed("database_url", "{}"), f"{PROD}.database_url", "none of them"),
    Broken(
        "two forms",
        changed("database_url", "{env: A, command: b}"),
        f"{PROD}.database_url",
        "got env and command",
    ),
    Broken("two direct forms", plus("direct_url: {env: A, env_file: /b}"), "direct_url", "exactly"),
    Broken(
        "name with env",
        changed("database_url", "{env: A, name: B}"),
        f"{PROD}.database_url.name",
        "does not go with env",
    ),
    Broken(
        "relative env_file",
        changed("database_url", "{env_file: .env}"),
        f"{PROD}.database_url.env_file",
        "must be absolute",
    ),
    Broken(
        "wrong variable",
        changed("database_url", "{env: DATABASE-URL}"),
        f"{PROD}.database_url.env",
        "name of a variable",
    ),
    Broken(
        "regular expression as name",
        changed("database_url", "{env_file: /e, name: 'A.*'}"),
        f"{PROD}.database_url.name",
        "name of a variable",
    ),
    Broken(
        "empty command",
        changed("database_url", "{command: ' '}"),
        f"{PROD}.database_url.command",
        "is empty",
    ),
    Broken("null URL", changed("database_url", "null"), f"{PROD}.database_url", "got null"),
    # aliases
    Broken("endless alias", plus("path: &a [*a]"), f"{PROD}.path[0]", "expected str, got list"),
    Broken(
        "billions of aliases",
        plus("l0: &l0 [x]")
        + "".join(f"    l{i + 1}: &l{i + 1} [{', '.join([f'*l{i}'] * 9)}]\n" for i in range(20)),
        f"{PROD}.l0",
        "unknown key",
    ),
)


@pytest.fixture
def doors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Doors:
    return Doors(tmp_path, monkeypatch, capsys)


def test_the_table_is_long_enough() -> None:
    assert len(BROKEN) >= 40
    assert len({case.rule for case in BROKEN}) == len(BROKEN)


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.rule)
def test_a_mistake_is_one_line_with_its_place_and_a_hint_at_both_doors(
    case: Broken, doors: Doors
) -> None:
    text = case.text if isinstance(case.text, bytes) else case.text.encode()
    doors.inventory.write_bytes(text)
    with pytest.raises(InventoryError) as raised:
        load(doors.inventory)
    message = raised.value.message
    colon = "" if case.place.startswith(":") or not case.place else ": "
    assert message.startswith(f"{doors.inventory}{colon}")
    assert case.place in message
    assert case.problem in message
    assert case.hint in raised.value.hint
    assert len(message) < 400

    before = {file: file.read_bytes() for file in doors.home.iterdir()}
    for ended in (
        doors.ops("inventory", "check"),
        doors.ops("inventory", "check", str(doors.inventory)),
        doors.fab("--list"),
        doors.fab("prod", "recover", "--yes"),
    ):
        ended.check_is_one_error()
        assert ended.errors == [f"error: {message}", f"hint: {raised.value.hint}"]
    assert {file: file.read_bytes() for file in doors.home.iterdir()} == before


def _directory(file: Path) -> None:
    file.mkdir()


def _unreadable(file: Path) -> None:
    file.symlink_to(file)  # root may read everything, but not this


@pytest.mark.parametrize(
    ("make", "problem"),
    [(_directory, "Is a directory"), (_unreadable, "Too many levels"), (None, "No such file")],
)
def test_what_cannot_be_read_is_one_line(
    doors: Doors, make: Callable[[Path], None] | None, problem: str
) -> None:
    if make:
        make(doors.inventory)
    path = str(doors.inventory)
    for ended in (
        doors.ops("inventory", "check", path),
        doors.ops("status", "prod", "--inventory", path),
        doors.fab("--list"),
    ):
        ended.check_is_one_error()
        assert ended.errors[0] == f"error: {path}: cannot be read: {_strerror(problem)}"


def _strerror(start: str) -> str:
    return next(text for text in map(os.strerror, range(1, 60)) if text.startswith(start))


# --- what is right ---


GOOD_ONES = {
    "as short as can be": GOOD,
    "a byte order mark": "\ufeff" + GOOD,
    "Windows line ends": GOOD.replace("\n", "\r\n"),
    "a merged mapping": GOOD.replace("prod:", "prod: &prod") + "  b: {<<: *prod, branch: b}\n",
    "an alias": f"{named('a')}  b:\n    hosts: &h [{{host: b}}]\n    repo: /b\n    backups: /b\n"
    "    database_url: {env: A}\n  c: {hosts: *h, repo: /c, backups: /c, database_url: {env: A}}\n",
    "a quoted name": named('"yes"'),
    "the longest name": named("p" * 63),
    "yes as a value": plus("confirm: yes"),
    "IPv6": host("host: 'fe80::1%eth0', port: 65535"),
    "pinned": host(f"host: a, host_key: '{FINGERPRINT}'"),
    "home": changed("repo", "'~'"),
    "nulls": plus("state: null\ndirect_url: null\nprisma: null"),
    "all forms of URL": changed("database_url", "{env_file: ~/.env, name: URL}")
    + '    direct_url: {command: "cat /run/url"}\n',
    "prisma text": plus("prisma: npm run prisma:migrate:deploy"),
    "prisma words": plus("prisma: [bunx, prisma]"),
    "prisma long": plus("prisma: {cli: [bunx, prisma], deploy: npm run deploy}"),
    "everything": plus(
        "branch: release/1.0\napp: apps/api\nschema: ../../db/schema.prisma\npath: [/a, ~/b]\n"
        "install: never\nconfirm: false\nssh_config: .ssh/config\nstate: ~/state"
    ),
}


@pytest.mark.parametrize("text", GOOD_ONES.values(), ids=GOOD_ONES)
def test_a_right_file_passes_here_and_in_the_schema(text: str, doors: Doors) -> None:
    doors.inventory.write_text(text, encoding="utf-8", newline="")
    names = list(load(doors.inventory).environments)
    jsonschema.validate(yaml.safe_load(text), json.loads(SCHEMA.read_bytes()))
    ended = doors.ops("inventory", "check")
    assert (ended.code, ended.stderr) == (0, "")
    assert ended.stdout == f"{doors.inventory}: right: {', '.join(names)}\n"
    assert doors.fab("--list").code == 0


def test_the_shipped_file_and_its_commented_host_are_right(tmp_path: Path) -> None:
    shipped = (ROOT / "inventory.yaml").read_text(encoding="utf-8")
    assert list(load(ROOT / "inventory.yaml").environments) == ["sandbox"]
    assert shipped.startswith("# yaml-language-server: $schema=ops/inventory.schema.json\n")
    head, _, real = shipped.partition("  #\n  # prod:")
    assert real
    uncommented = "  prod:" + real.replace("\n  # ", "\n  ")
    uncommented = uncommented.replace("\n    # ", "\n    ").replace('"SHA256:..."', "null")
    lines = [
        line for line in uncommented.splitlines() if line.strip().split(":")[0] in _every_field()
    ]
    file = tmp_path / "inventory.yaml"
    file.write_text(head + "\n  prod:\n" + "\n".join(lines) + "\n", encoding="utf-8")
    prod = load(file).environment("prod")
    assert prod.hosts[0] == Host(host="app.example.com", port=22, user="deploy")
    assert (prod.app, prod.schema) == ("Backend", "src/prisma/db/schema.prisma")
    assert prod.direct_url is not None
    assert prod.prisma_command.deploy == "npm run prisma:migrate:deploy"
    not_shown = set(_every_field()) - {line.strip().split(":")[0] for line in lines}
    assert not_shown == {"ssh_config"}, "every field is documented where it stands"


def _every_field() -> tuple[str, ...]:
    return Environment.__struct_fields__


def test_defaults_and_derived_values() -> None:
    least = Environment(
        hosts=[Host(host="a")], repo="/a", backups="/b", database_url=UrlSource(env_file="/e")
    )
    assert (least.branch, least.app, least.schema) == ("main", ".", "prisma/schema.prisma")
    assert (least.install, least.confirm, least.path) == ("auto", True, [])
    assert least.database_url.variable == "DATABASE_URL"
    assert UrlSource(env="A").variable == "A"
    assert UrlSource(env_file="/e", name="B").variable == "B"
    assert least.prisma_command == PrismaCommand()


def test_names_are_never_those_of_actions() -> None:
    assert {action.name for action in ACTIONS} <= RESERVED


def test_an_unknown_environment_names_those_that_exist(doors: Doors) -> None:
    doors.inventory.write_text(GOOD, encoding="utf-8")
    ended = doors.ops("status", "prd")
    ended.check_is_one_error()
    assert ended.errors == [
        f"error: environments.prd: there is no such environment in {doors.inventory}",
        "hint: environments there: prod; did you mean `prod`?",
    ]


# --- which file ---


def test_the_nearest_file_upwards_counts_and_the_variable_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPS_INVENTORY", raising=False)
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "inventory.yaml").touch()
    assert locate(tmp_path / "a" / "b") == tmp_path / "inventory.yaml"
    (tmp_path / "a" / "inventory.yaml").touch()
    assert locate(tmp_path / "a" / "b") == tmp_path / "a" / "inventory.yaml"
    monkeypatch.setenv("OPS_INVENTORY", "/else/where.yaml")
    assert locate(tmp_path) == Path("/else/where.yaml")


def test_no_file_and_no_directory_are_one_line_each(doors: Doors) -> None:
    empty = doors.home / "empty"
    empty.mkdir()
    with contextlib.chdir(empty):
        ended = doors.ops("status", "prod")
        ended.check_is_one_error()
        assert ended.errors[0] == f"error: there is no inventory.yaml in {empty} or above"
        empty.rmdir()
        gone = doors.ops("inventory", "check")
    gone.check_is_one_error()
    assert "does not exist any more" in gone.stderr


# --- schema and reference ---


def test_the_schema_and_the_reference_are_those_of_the_types() -> None:
    assert SCHEMA.read_bytes() == schema_json(), "run: python -m ops.reference"
    assert REFERENCE.read_text(encoding="utf-8") == inventory_reference(), (
        "run: python -m ops.reference"
    )


def test_both_files_are_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.reference.SCHEMA", tmp_path / "schema")
    monkeypatch.setattr("ops.reference.REFERENCE", tmp_path / "reference")
    main()
    assert (tmp_path / "schema").read_bytes() == SCHEMA.read_bytes()
    assert (tmp_path / "reference").read_bytes() == REFERENCE.read_bytes()


def test_every_field_has_a_description_and_a_row_in_the_reference() -> None:
    types = (Environment, Host, UrlSource, PrismaCommand, Scratch)
    fields = [field for kind in types for field in kind.__struct_fields__]
    assert sorted(descriptions()) == sorted(fields), "no key has two meanings"
    for key, text in descriptions().items():
        assert text.endswith((".", "].", "`.")), key
        assert f"| `{key}` |" in inventory_reference()
        assert text in inventory_reference()


def test_examples_of_the_reference_are_right(tmp_path: Path) -> None:
    example = inventory_reference().partition("than this:\n")[2].partition("\nThis page")[0]
    file = tmp_path / "inventory.yaml"
    file.write_text(textwrap.dedent(example), encoding="utf-8")
    assert list(load(file).environments) == ["prod"]


@pytest.mark.parametrize(
    "case",
    [case for case in BROKEN if case.problem in {"unknown key", "is missing", "not a fingerprint"}],
    ids=lambda case: case.rule,
)
def test_the_schema_refuses_too(case: Broken) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(case.text), json.loads(SCHEMA.read_bytes()))


@pytest.mark.parametrize("name", ["recover", "Prod", "-H", "p" * 64])
def test_the_schema_refuses_wrong_names(name: str) -> None:
    document = yaml.safe_load(named(name))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json.loads(SCHEMA.read_bytes()))


# --- anything at all ---

_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
_KEYS = st.sampled_from([*Environment.__struct_fields__, "host", "env", "x"])


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(_KEYS, _VALUES, max_size=4))
def test_any_value_anywhere_is_right_or_one_line(tmp_path_factory: Any, values: Any) -> None:
    file = tmp_path_factory.mktemp("any") / "inventory.yaml"
    good = yaml.safe_load(GOOD)["environments"]["prod"]
    text = yaml.safe_dump({"environments": {"prod": good | values}}, allow_unicode=True)
    file.write_bytes(text.encode(errors="surrogatepass"))
    _is_right_or_one_line(file)


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8")))
def test_any_file_is_one_line(tmp_path_factory: Any, content: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "inventory.yaml"
    file.write_bytes(content)
    _is_right_or_one_line(file)


def _is_right_or_one_line(file: Path) -> None:
    error: InventoryError | None = None
    try:
        load(file)
    except InventoryError as refused:
        error = refused
    if error:
        assert error.exit_code is ExitCode.USAGE
        assert error.message.startswith(str(file))
        assert len(f"{error.message} {error.hint}".splitlines()) == 1
        assert error.hint
