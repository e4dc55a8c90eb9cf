"""The app as Prisma sees it: configuration is code, and is read without being run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ops.facts.app import (
    Version,
    may_use_adapter,
    parse_app,
    parse_installed,
    parse_version,
    untracked_migrations,
)
from ops.facts.frames import Frame, Frames, Unknown
from ops.facts.git import Tree
from tests.unit.factories import app, git, tree

if TYPE_CHECKING:
    from ops.facts.app import App

SCHEMA = 'datasource db {\n  provider = "postgresql"\n  url = env("DATABASE_URL")\n}\n'
V6, V7 = Version(6, 19), Version(7, 10)


def read(
    config: str = "",
    *,
    version: Version | None = V6,
    schema: str = SCHEMA,
    package: str = "{}",
    lock: bytes | None = None,
    name: str = "prisma.config.ts",
) -> App:
    """Parse an app whose configuration lies on the disk only."""
    files = f"# file: /x/{name}\n{config}\n" if config else ""
    answers = {
        "schema head": f"# file: prisma/schema.prisma\n{schema}" if schema else "",
        "configs head": "",
        "configs disk": files,
        "package head": package,
    }
    frames = Frames({name: Frame(0, text.encode()) for name, text in answers.items()})
    contents = {} if lock is None else {"lock": lock}
    entries = {} if lock is None else {"prisma/migrations/migration_lock.toml": "lock"}
    head = Tree("c", entries, ())
    return parse_app(
        frames, "head", git(contents=contents), head, ".", "prisma/schema.prisma", version
    )


@pytest.mark.parametrize(
    ("config", "directory"),
    [
        ("", "prisma/migrations"),
        ("export default {}", "prisma/migrations"),
        ("export default { migrations: { path: 'db/m' } }", "db/m"),
        ('export default { migrations: { path: "./db//m/" } }', "db/m"),
        ("export default { migrations: { path: `db/m` } }", "db/m"),
        ("export default { 'migrations': { \"path\": 'db/m', seed: 'x' } }", "db/m"),
        ("export default { migrations: { seed: `a ${b}`, path: 'db/m' } }", "db/m"),
        ("export default { migrations: { path: 'db/m', // was 'old'\n } }", "db/m"),
        ("export default { migrations: { /* path: 'old', */ path: 'db/m' } }", "db/m"),
        ("// migrations: { path: 'old' }\nexport default {}", "prisma/migrations"),
        ("/* migrations: { path: 'old' } */ export default {}", "prisma/migrations"),
        ("export default { migrations: { seed: 'tsx x' } }", "prisma/migrations"),
        ("export default { migrations: {} }", "prisma/migrations"),
        ("export default { schema: 'prisma/migrations/x', url: 'a//b' }", "prisma/migrations"),
        ("const url = 'http://x'; export default { migrations: { path: 'db/m' } }", "db/m"),
    ],
)
def test_a_path_that_is_written_out_is_found(config: str, directory: str) -> None:
    assert read(config).migrations_directory == directory
    before_it_was_read = read(config, version=Version(6, 5)).migrations_directory
    assert before_it_was_read == "prisma/migrations"


@pytest.mark.parametrize(
    "config",
    [
        "export default { migrations: { path: path.join('a', 'b') } }",
        "export default { migrations: { path: 'a' + name } }",
        "export default { migrations: { path: `a/${name}` } }",
        "export default { migrations: { path: process.env.M } }",
        "export default { migrations: { path } }",
        "export default { migrations: { ...base } }",
        "export default { migrations: base }",
        "export default { migrations }",
        "export default { 'migrations': base }",
        "export default { migrations: { 'path': base } }",
        "export default { migrations: { path: 'a' as string } }",
        "export default { migrations: { path: 'a'",
    ],
)
@pytest.mark.parametrize("version", [V6, V7, None])
def test_a_path_that_code_computes_is_unknown(config: str, version: Version | None) -> None:
    with pytest.raises(Unknown, match="put together by code") as caught:
        read(config, version=version)
    assert "plain string" in caught.value.hint


@pytest.mark.parametrize(
    ("version", "counts"),
    [(Version(7, 9), False), (Version(7, 10), True), (None, True), (Version(6, 19), False)],
)
def test_prisma7_config_counts_for_those_versions_that_read_it(
    version: Version | None, counts: bool
) -> None:
    found = read(
        "export default { migrations: { path: 'm' } }", name="prisma7.config.ts", version=version
    )
    assert (found.migrations_directory == "m") is counts


@pytest.mark.parametrize(
    ("config", "schema", "names"),
    [
        ("", SCHEMA, ("DATABASE_URL",)),
        ("", SCHEMA.replace("url =", "// url ="), ()),
        ("", SCHEMA.replace("}", '  directUrl = env("DIRECT")\n}'), ("DATABASE_URL", "DIRECT")),
        ("", SCHEMA.replace("}", '  shadowDatabaseUrl = env("S")\n}'), ("DATABASE_URL",)),
        (
            "",
            SCHEMA.replace('env("DATABASE_URL")', '"postgresql://x"'),
            ("a text in the schema itself",),
        ),
        ("", SCHEMA.replace('env("DATABASE_URL")', 'env( "OTHER" )'), ("OTHER",)),
        (
            "export default { datasource: { url: someConstant } }",
            "",
            ("code in prisma.config that is not read here",),
        ),
        ("export default { datasource: { url:\n env('A') } }", "", ("A",)),
        ("", "", ()),
        ("export default { datasource: { url: env('A') } }", "", ("A",)),
        ("export default { datasource: { url: env<Env>('A') } }", "", ("A",)),
        ("export default { datasource: { url: process.env.A! } }", "", ("A",)),
        ('export default { datasource: { url: process.env["A"] } }', "", ("A",)),
        (
            (
                "export default { datasource: { url: process.env.A ?? process.env.B,\n"
                "  shadowDatabaseUrl: env('S'), // url: env('OLD')\n directUrl: env('C') } }"
            ),
            SCHEMA,
            ("DATABASE_URL", "A", "B", "C"),
        ),
    ],
)
def test_the_variables_of_the_url_are_found(
    config: str, schema: str, names: tuple[str, ...]
) -> None:
    assert read(config, schema=schema).url_variables == names


@pytest.mark.parametrize(
    ("lock", "provider"),
    [
        (None, None),
        (b"", ""),
        (b'provider = "postgresql"\n', "postgresql"),
        (b'# x\nprovider = "postgres"', "postgresql"),
        (b'provider = "mysql"\n', "mysql"),
        (b'provider="postgresql"\n', ""),
        (b' provider = "postgresql"\n', ""),
        (b'<<<<<<< HEAD\nprovider = "sqlite"\n', "sqlite"),
    ],
)
def test_the_lock_file_is_read_as_literally_as_prisma_reads_it(
    lock: bytes | None, provider: str | None
) -> None:
    assert read(lock=lock).lock_provider == provider


@pytest.mark.parametrize(
    ("schema", "provider"),
    [
        (SCHEMA, "postgresql"),
        (SCHEMA.replace("postgresql", "postgres"), "postgresql"),
        (SCHEMA.replace("postgresql", "mysql"), "mysql"),
        ('generator client {\n  provider = "prisma-client-js"\n}\n' + SCHEMA, "postgresql"),
        ('generator client {\n  provider = "prisma-client-js"\n}\n', ""),
    ],
)
def test_the_datasources_provider_counts(schema: str, provider: str) -> None:
    assert read(schema=schema).provider == provider


@pytest.mark.parametrize(
    ("package", "scripts", "is_dev"),
    [
        ("", {}, False),
        ("not JSON", {}, False),
        ("[]", {}, False),
        ('{"scripts": null, "devDependencies": []}', {}, False),
        ('{"scripts": {"a": "b", "c": 1}, "devDependencies": {"prisma": "6"}}', {"a": "b"}, True),
        ('{"dependencies": {"prisma": "6"}}', {}, False),
    ],
)
def test_a_package_json_of_any_shape_is_read(
    package: str, scripts: dict[str, str], is_dev: bool
) -> None:
    found = read(package=package)
    assert (found.scripts, found.prisma_is_dev) == (scripts, is_dev)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("6.19.3", Version(6, 19)),
        ("7.4.0-dev.1", Version(7, 4)),
        ("10.0.1", Version(10, 0)),
        ("", None),
        ("?", None),
        ("six", None),
    ],
)
def test_versions_are_numbers(text: str, version: Version | None) -> None:
    assert parse_version(text) == version


def test_versions_are_in_order() -> None:
    assert Version(6, 19) < Version(7, 3) < Version(7, 4) < Version(7, 10) < Version(10, 0)
    assert str(Version(7, 10)) == "7.10"


def test_a_package_of_prisma_that_cannot_be_read_is_unknown() -> None:
    frames = Frames({"installed": Frame(0, b"/opt/app\n1714521600\n")})
    with pytest.raises(Unknown, match="cannot be read"):
        parse_installed(frames)
    assert parse_installed(Frames({"installed": Frame(1, b"")})) is None


def test_a_schema_that_is_not_there_is_said() -> None:
    assert not read(schema="").schema_found
    assert read().schema_found


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("", False),
        ("import 'dotenv/config'\nimport { defineConfig } from 'prisma/config'", False),
        ("adapter: x", True),
        ("export * from './x'", True),
        ("await import('../x')", True),
        ("{ ...x }", True),
    ],
)
def test_what_is_not_seen_may_set_an_adapter(text: str, may: bool) -> None:
    assert may_use_adapter(text) is may


def test_only_directories_that_git_does_not_have_are_untracked() -> None:
    base = "Backend/prisma/migrations"
    head = tree(scripts={"only_at_head": b"x"})
    seen = (f"{base}/by_hand", f"{base}/only_at_head", f"{base}/20240101000000_init", "other/x")
    assert untracked_migrations(git(head=head, directories=seen), app()) == (f"{base}/by_hand",)


def test_a_package_that_json_has_is_json() -> None:
    value: dict[str, Any] = {"scripts": {"größe": "x"}}
    assert read(package=json.dumps(value)).scripts == {"größe": "x"}
