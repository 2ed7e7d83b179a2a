"""Strategies for payloads that are JSON records, nearly JSON records, or no JSON at all."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from lake.types import Decimal, Field, Primitive

FIELDS = (
    Field(name="i", type=Primitive.LONG, required=True),
    Field(name="w", type=Primitive.INT),
    Field(name="d", type=Decimal(precision=12, scale=2)),
    Field(name="f", type=Primitive.DOUBLE),
    Field(name="s", type=Primitive.STRING),
    Field(name="b", type=Primitive.BOOLEAN),
    Field(name="t", type=Primitive.TIMESTAMPTZ),
    Field(name="n", type=Primitive.TIMESTAMP),
    Field(name="y", type=Primitive.DATE),
)

# Texts that stand as a JSON value; not all of them are JSON.
ODD_NUMBERS = [
    "0", "-0", "1", "-1", "3.7", "1.0", "1e2", "1E2", "1e-2", "01", "+1", "1.", ".5", "-", "-0.0",
    "0.505", "0.50", "0.500", "1e309", "-1e309", "1e-400", "NaN", "Infinity", "-Infinity", "Inf",
    "-Inf", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
    "-9223372036854775809", "2147483647", "2147483648", "-2147483648", "-2147483649",
    "9999999999.99", "10000000000", "-9999999999.99", "0e5", "0.000", "1.7976931348623157e308",
    "1.7976931348623159e308", "17976931348623159e292", "1e00002", "1.0000000000000000000000001",
    "123456789012345678901234567890", "1e1000000000000000000000", "0.1", "123.45e1", "12345e-3",
]  # fmt: skip
ODD_TIMES = [
    "2025-11-30T11:53:26Z", "2025-11-30 11:53:26Z", "2025-11-30T11:53:26",
    "2025-11-30T11:53:26+02:00", "2025-11-30T11:53:26-00:00", "2025-11-30T11:53:26+24:00",
    "2025-11-30T11:53:26+23:60", "2025-11-30T11:53:26+0200", "2025-11-30T11:53:26+02",
    "2025-11-30T11:53:26.1Z", "2025-11-30T11:53:26.123456Z", "2025-11-30T11:53:26.1234567Z",
    "2025-11-30T11:53Z", "2025-11-30T11Z", "2025-11-30", "2025-2-3", "20251130", "2024-02-29",
    "2025-02-29", "2024-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2024-02-29T23:59:60Z",
    "2024-02-29T24:00:00Z", "0000-01-01", "0000-01-01T00:00:00Z", "0001-01-01",
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-01:00", "9999-12-31", "10000-01-01", "-001-01-01", "2025-11-30t11:53:26z",
    "\uff12025-11-30", "", " 2025-11-30",
]  # fmt: skip
ODD_ESCAPES = [
    '"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"\\x"', '"\\u12"', '"a\nb"',
    '"a\tb"', '"\\\\ud800"',
]  # fmt: skip
ODD_BYTES = [
    b"", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\n", b"{", b"}", b"}{",
    b"}\n{", b",", b'"', b" ",
]  # fmt: skip
ODD_PAYLOADS = [
    b"", b" ", b"null", b"[]", b"[1]", b"5", b'{"i":1}{"i":2}', b'{"i":1}\n{"i":2}', b' {"i":1} ',
    b'{"i":1}//c', b"{}", b"{",
]  # fmt: skip

NUMBERS = st.one_of(
    st.sampled_from(ODD_NUMBERS),
    st.integers().map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
TIMES = st.one_of(
    st.sampled_from(ODD_TIMES),
    st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    st.dates().map(str),
)
STRINGS = st.one_of(
    st.text(max_size=8),
    TIMES,
    NUMBERS,
    st.sampled_from(
        ["true", "NaN", "Infant", "}\n{", "{", "5", ".", "e5", "0.5e", "1_0", "\x00", "\x1f", "é", "😀"]
    ),
)
ESCAPES = st.sampled_from(ODD_ESCAPES)
VALUES = st.recursive(
    st.one_of(
        NUMBERS,
        STRINGS.map(json.dumps),
        STRINGS.map(lambda text: json.dumps(text, ensure_ascii=False)),
        ESCAPES,
        st.sampled_from(["null", "true", "false", "True", "nul", ""]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"),
        st.lists(st.tuples(st.sampled_from(["a", "i", "s"]), inner), max_size=3).map(
            lambda pairs: "{" + ",".join(f'"{k}":{v}' for k, v in pairs) + "}"
        ),
    ),
    max_leaves=4,
)
FITTING = {
    "i": st.integers(-(2**63), 2**63 - 1).map(str),
    "w": st.integers(-(2**31), 2**31 - 1).map(str),
    "d": st.decimals(min_value=-10000, max_value=10000, places=2).map(lambda n: f"{n:f}"),
    "f": st.floats(allow_nan=False, allow_infinity=False).map(repr),
    "s": st.text(max_size=6).map(json.dumps),
    "b": st.sampled_from(["true", "false", "null"]),
    "t": st.sampled_from(['"2025-11-30T11:53:26Z"', '"2025-11-30T11:53:26.5+02:00"']),
    "n": st.just('"2025-11-30T11:53:26"'),
    "y": st.just('"2025-11-30"'),
}
MEMBERS = st.one_of(
    st.tuples(st.sampled_from([f.name for f in FIELDS] + ["x", "I", "\\u0069"]), VALUES),
    st.sampled_from(sorted(FITTING)).flatmap(lambda name: st.tuples(st.just(name), FITTING[name])),
)
OBJECTS = st.lists(MEMBERS, max_size=5).map(
    lambda pairs: "{" + ",".join(f'"{k}":{v}' for k, v in pairs) + "}"
)
BYTES = OBJECTS.map(lambda text: text.encode("utf-8", "surrogatepass"))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a payload with a few bytes removed, put in or changed."""
    payload = bytearray(draw(BYTES))
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(0, max(len(payload) - 1, 0)))
        payload[place : place + draw(st.integers(0, 2))] = draw(st.sampled_from(ODD_BYTES))
    return bytes(payload)


PAYLOADS = st.one_of(
    BYTES,
    BYTES,
    damaged(),
    st.sampled_from(ODD_PAYLOADS),
    st.none(),
)
