"""Snapshots of a catalog, compared and described without a database."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.facts.catalog import (
    EXISTS,
    SETTINGS,
    Difference,
    Key,
    Snapshot,
    catalog_query,
    changed_keys,
    describe,
    differences,
    parse_snapshot,
    relation_of,
)
from ops.facts.frames import Unknown

EMAIL: Key = ("column", 'public."User".email')
USER: Key = ("table", 'public."User"')


def snapshot(**values: str) -> Snapshot:
    return Snapshot({USER: {"exists": "yes"}, EMAIL: {"type": "text", **values}})


def view(definition: str, kind: str = "view", name: str = "definition") -> str:
    """Return what a snapshot has for a text that the server printed."""
    key = (kind, "public.v")
    found = parse_snapshot([json.dumps([*key, name, definition])]).at(key)
    assert found is not None
    return found[name]


def test_rows_become_objects() -> None:
    rows = [[*USER, "exists", "yes"], [*EMAIL, "type", "text"], [*EMAIL, "not null", "yes"]]
    found = parse_snapshot(json.dumps(row) for row in rows)
    assert found == snapshot(**{"not null": "yes"})
    assert found == parse_snapshot(json.dumps(row) for row in reversed(rows))
    assert found.at(EMAIL) == {"type": "text", "not null": "yes"}
    assert found.at(("table", "public.none")) is None


@pytest.mark.parametrize("line", ["", "{}", '["a", "b", "c"]', '["a", "b", "c", null]', "x"])
def test_a_line_that_is_no_row_is_unknown(line: str) -> None:
    with pytest.raises(Unknown, match="the catalog cannot be read"):
        parse_snapshot([line])


def test_two_objects_under_one_name_are_unknown() -> None:
    row = [*EMAIL, "type", "text"]
    assert parse_snapshot([json.dumps(row), json.dumps(row)]) == parse_snapshot([json.dumps(row)])
    with pytest.raises(Unknown, match="known as column public"):
        parse_snapshot([json.dumps(row), json.dumps([*row[:3], "integer"])])


def test_a_part_of_a_snapshot() -> None:
    assert snapshot().only({USER, ("table", "public.none")}) == Snapshot({USER: {"exists": "yes"}})
    assert snapshot().only([]) == Snapshot({})


def test_a_change_is_applied_to_a_copy() -> None:
    before = snapshot(default="1")
    kind, id_ = EMAIL
    after = before.changed(
        [(kind, id_, "type", "text"), (kind, id_, "default", "1"), (*USER, "exists", "yes")],
        [(kind, id_, "type", "integer"), ("enum", "public.e", "exists", "yes")],
    )
    assert after.objects == {EMAIL: {"type": "integer"}, ("enum", "public.e"): {"exists": "yes"}}
    assert before == snapshot(default="1")


keys = st.sampled_from([EMAIL, USER, ("view", "public.v")])
rows = st.dictionaries(
    st.tuples(keys, st.sampled_from(["type", "default"])), st.sampled_from(["1", "2"])
)


def of(found: dict[tuple[Key, str], str]) -> Snapshot:
    return parse_snapshot(
        json.dumps([*key, name, value]) for (key, name), value in sorted(found.items())
    )


@given(rows, rows)
def test_differences_tell_what_changed(
    one: dict[tuple[Key, str], str], other: dict[tuple[Key, str], str]
) -> None:
    left, right = of(one), of(other)
    found = differences(left, right)
    assert {difference.key for difference in found} == changed_keys(left, right)
    assert (found == ()) == (left == right)
    assert found == tuple(sorted(found, key=lambda each: (each.key, each.property)))
    swapped = [(each.key, each.property, each.right, each.left) for each in found]
    back = differences(right, left)
    assert swapped == [(each.key, each.property, each.left, each.right) for each in back]
    some = {EMAIL}
    assert differences(left, right, some) == differences(left.only(some), right.only(some))


@given(rows, rows)
def test_what_the_server_told_leads_from_one_to_the_other(
    one: dict[tuple[Key, str], str], other: dict[tuple[Key, str], str]
) -> None:
    flat = [{(*key, name, value) for (key, name), value in side.items()} for side in (one, other)]
    assert of(one).changed(flat[0] - flat[1], flat[1] - flat[0]) == of(other)


def test_an_object_on_one_side_is_one_difference() -> None:
    left, right = snapshot(default="1"), Snapshot({})
    assert differences(left, right) == (
        Difference(EMAIL, EXISTS, "yes", None),
        Difference(USER, EXISTS, "yes", None),
    )
    assert differences(right, left, [USER]) == (Difference(USER, EXISTS, None, "yes"),)


@pytest.mark.parametrize(
    ("difference", "line"),
    [
        (
            Difference(EMAIL, "type", "text", "integer"),
            'column public."User".email: type is text in production, integer in the target',
        ),
        (
            Difference(EMAIL, EXISTS, "yes", None),
            'column public."User".email: is in production, not in the target',
        ),
        (
            Difference(EMAIL, EXISTS, None, "yes"),
            'column public."User".email: is in the target, not in production',
        ),
        (
            Difference(EMAIL, "not null", None, "yes"),
            'column public."User".email: not null is no in production, yes in the target',
        ),
        (
            Difference(EMAIL, "default", None, "1"),
            'column public."User".email: default is not set in production, 1 in the target',
        ),
        (
            Difference(("view", "v"), "definition", " SELECT\n  1", " SELECT\n  2"),
            "view v: definition is SELECT 1 in production, SELECT 2 in the target",
        ),
        (
            Difference(("view", "v"), "definition", "SELECT 1", "SELECT  1"),
            "view v: definition is spaced one way in production, another way in the target",
        ),
        (
            Difference(("comment", "table t"), "text", "", "x"),
            "comment table t: text is empty in production, x in the target",
        ),
    ],
)
def test_a_difference_is_one_line(difference: Difference, line: str) -> None:
    assert describe(difference, "production", "the target") == line


def test_long_texts_are_shown_where_they_part() -> None:
    start = "x" * 500
    difference = Difference(("view", "v"), "definition", f"{start}one{start}", f"{start}two")
    line = describe(difference, "one", "two")
    assert len(line) < 300
    assert f"{'x' * 40}one" in line
    assert "xtwo in two" in line


QUOTED = '"S.c ""h"""."T ""a. b"" ("'


@pytest.mark.parametrize(
    ("kind", "id_", "relation"),
    [
        ("table", "public.a", "public.a"),
        ("view", QUOTED, QUOTED),
        ("column", f'{QUOTED}."c.d"', QUOTED),
        ("index", "public.a.i", "public.a"),
        ("constraint", 'public.a."x.y.z"', "public.a"),
        ("trigger", "public.a.t", "public.a"),
        ("policy", f"{QUOTED}.p", QUOTED),
        ("rule", "public.a.r", "public.a"),
        ("attribute", "app.pair.a", "app.pair"),
        ("publication table", f'"my pub.".{QUOTED}', QUOTED),
        ("comment", "table public.a", "public.a"),
        ("comment", f"materialized view {QUOTED}", QUOTED),
        ("comment", f"column {QUOTED}.c", QUOTED),
        ("comment", "index public.a.i", "public.a"),
        ("grant", f'foreign table {QUOTED} to "a role"', QUOTED),
        ("grant", "column public.a.c to PUBLIC", "public.a"),
        ("security label", "sequence public.s", "public.s"),
        ("comment", "domain constraint public.d.c", None),
        ("comment", "schema public", None),
        ("comment", 'event trigger "table public.a"', None),
        ("grant", "function public.f(text) to app", None),
        ("enum", "public.e", None),
        ("statistics", "public.s", None),
        ("function", "public.f(integer)", None),
        ("schema", "public", None),
        ("table", "nonsense", None),
        ("publication table", "nonsense", None),
    ],
)
def test_an_object_knows_its_relation(kind: str, id_: str, relation: str | None) -> None:
    assert relation_of((kind, id_)) == relation


def test_the_query_is_one_select() -> None:
    query = catalog_query()
    code = re.sub(r"--.*", "", query)
    assert code.lstrip().startswith("WITH ns AS")
    assert ";" not in code
    assert SETTINGS["search_path"] == "pg_catalog"


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (
            ' SELECT users.id,\n    users."Full name"\n   FROM public.users\n  WHERE (users.a);',
            ' SELECT id,\n    "Full name"\n   FROM public.users\n  WHERE (a);',
        ),
        (" SELECT u.id\n   FROM public.users u;", " SELECT id\n   FROM public.users u;"),
        (' SELECT "U.".id\n   FROM users "U.";', ' SELECT id\n   FROM users "U.";'),
        (" SELECT s.id\n   FROM ( SELECT 1 AS id) s;", " SELECT id\n   FROM ( SELECT 1 AS id) s;"),
        (" SELECT t.i\n   FROM f(1) t(i);", " SELECT i\n   FROM f(1) t(i);"),
        (
            " SELECT t.id\n   FROM public.a t TABLESAMPLE system (10);",
            " SELECT id\n   FROM public.a t TABLESAMPLE system (10);",
        ),
        (
            " WITH b AS (\n SELECT a.x, a.y\n FROM a\n )\n SELECT b.x\n FROM b;",
            " WITH b AS (\n SELECT a.x, a.y\n FROM a\n )\n SELECT x\n FROM b;",
        ),
        (" SELECT (u.p).a AS a\n   FROM u;", " SELECT (p).a AS a\n   FROM u;"),
        (
            " SELECT EXTRACT(year FROM u.at) AS y\n   FROM u;",
            " SELECT EXTRACT(year FROM at) AS y\n   FROM u;",
        ),
    ],
)
def test_a_view_of_one_table_is_alike_on_15_and_16(older: str, newer: str) -> None:
    assert older != newer
    assert view(older) == view(newer) == newer
    assert view(older, "materialized view") == newer


@pytest.mark.parametrize(
    "definition",
    [
        " SELECT a.id,\n    b.id\n   FROM (public.a\n     JOIN public.b ON ((a.id = b.id)));",
        " SELECT a.id\n   FROM public.a,\n    public.b;",
        " SELECT a.id\n   FROM public.a\nUNION\n SELECT b.id\n   FROM public.b;",
        " SELECT count(users.*) AS count\n   FROM public.users;",
        " SELECT 'users.id'::text AS t, app.users.x\n   FROM public.users;",
        " SELECT ( SELECT max(p.id) AS max\n FROM p\n WHERE (p.u = users.id)) AS m\n   FROM users;",
        " SELECT (1)::app.mood AS m, app.f(id) AS f\n   FROM public.x app;",
        " SELECT 1 AS one;",
        " VALUES (1,'a'::text);",
        " SELECT ((a) )) b FROM",
    ],
)
def test_other_views_are_left_alone(definition: str) -> None:
    assert view(definition) == definition


@pytest.mark.parametrize(
    ("printed", "canonical"),
    [
        ("CHECK (((a AND b) AND c))", "CHECK ((a AND b AND c))"),
        ("CHECK ((((a AND b) AND c) AND d))", "CHECK ((a AND b AND c AND d))"),
        ("CHECK (((a OR b) OR c))", "CHECK ((a OR b OR c))"),
        ("CHECK (((a OR b) AND c))", "CHECK (((a OR b) AND c))"),
        ("CHECK ((a AND (b AND c)))", "CHECK ((a AND (b AND c)))"),
        ("CHECK (((a < ' AND (') AND c))", "CHECK (((a < ' AND (') AND c))"),
        ("CHECK (((f(' AND ') = 1) AND c))", "CHECK (((f(' AND ') = 1) AND c))"),
    ],
)
def test_conditions_are_alike_after_a_dump(printed: str, canonical: str) -> None:
    assert view(printed, "constraint") == canonical
    assert view(canonical, "constraint") == canonical
    assert view(printed, "policy", "using") == canonical
    kind, id_ = "constraint", "public.a.c"
    changed = Snapshot({}).changed([], [(kind, id_, "definition", printed)])
    assert changed.at((kind, id_)) == {"definition": canonical}


def test_what_somebody_wrote_is_left_as_it_is() -> None:
    body = "CREATE OR REPLACE FUNCTION public.f()\nAS $function$ IF ((a AND b) AND c) $function$\n"
    assert view(body, "function") == body
    assert view(body, "comment", "text") == body
    atomic = "CREATE OR REPLACE FUNCTION public.f()\nBEGIN ATOMIC\n SELECT ((a AND b) AND c);\nEND"
    assert view(atomic, "function") == atomic.replace("((a AND b) AND c)", "(a AND b AND c)")
