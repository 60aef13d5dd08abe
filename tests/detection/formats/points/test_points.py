"""Lines of monitoring systems are metrics: their series, times, and what is wrong with them."""

import math
from datetime import UTC, datetime

import pytest

from anomalies.detection import Event, FormatError, Parameters, Skipped, TimestampReader, detect

from ..support import events, fresh_clock, lines_of, made_for, read

T = 1793491200
MOMENT = datetime(2026, 11, 1, tzinfo=UTC)
LINES = {
    "Influx": ("cpu,host=a,core=0 user=0.5,idle=99i {}000000000",
               [('cpu.user{core="0",host="a"}', 0.5), ('cpu.idle{core="0",host="a"}', 99)]),
    "Influx in seconds": ("temp,room=a value=0.5 {}", [('temp{room="a"}', 0.5)]),
    "Influx with escapes": (r"disk\ io,path=/a\,\ b used=7u,is\=ok=true {}000", [
        ('disk io.used{path="/a, b"}', 7), ('disk io.is=ok{path="/a, b"}', 1)]),
    "Telegraf's test": ("> mem,host=a free=1e3 {}000000000", [('mem.free{host="a"}', 1000)]),
    "Graphite": ("web1.cpu.load 0.5 {}", [("web1.cpu.load", 0.5)]),
    "Graphite with tags": ("disk.used;dc=x;host=a 7 {}", [('disk.used{dc="x",host="a"}', 7)]),
    "OpenTSDB": ("put sys.cpu {} 0.5 host=a cpu=0", [('sys.cpu{cpu="0",host="a"}', 0.5)]),
    "Wavefront": ('cpu.load 0.5 {} source=a env="prod x"', [('cpu.load{env="prod x",source="a"}', 0.5)]),
    "collectd": ('PUTVAL "a/load" interval=10 {}:0.5:U', [("a/load.0", 0.5), ("a/load.1", math.nan)]),
    "StatsD": ("api.calls:3|c|@0.1|#env:prod|T{}", [('api.calls{env="prod"}', 3)]),
    "Prometheus": ('up{{job="a",instance="b"}} 1 {}000', [('up{instance="b",job="a"}', 1)]),
    "OpenMetrics": (r'x_total{{a="b\"c"}} 1e3 {}.0 # {{trace_id="K"}} 0.6', [('x_total{a="b"c"}', 1000)]),
    "OpenMetrics' quoted names": ('{{"http.calls", "a.b"="c"}} 5 {}', [('http.calls{a.b="c"}', 5)]),
    "promtool's dump": ('{{__name__="up", a="b"}} NaN {}000', [('up{a="b"}', math.nan)]),
}  # fmt: skip
EXPOSITION = """# HELP calls_total All calls, "quoted" too.
# TYPE calls_total counter
calls_total{code="200"} 1027
calls_total{code="500"} 3
# TYPE seconds histogram
seconds_bucket{le="+Inf"} 7
seconds_sum 53.5
"""


def same(found, expected):
    return [(name, repr(value)) for name, value in found] == [(name, repr(float(v))) for name, v in expected]


@pytest.mark.parametrize(("line", "values"), LINES.values(), ids=LINES)
def test_a_line_is_the_numbers_of_its_series_at_its_time(line, values):
    found = events("\n".join([line.format(T)] * 3))
    assert [event.timestamp for event in found] == [MOMENT] * 3
    assert same(found[0].values, values)


@pytest.mark.parametrize("line", [line for line, _ in LINES.values()], ids=LINES)
def test_a_line_that_is_cut_is_named_and_the_others_are_read(line):
    lines = [line.format(T + n) for n in range(9)]
    lines[4] = lines[4][:3] + "{"
    found = read("\n".join(lines))
    assert [type(one) for one in found] == [Event] * 4 + [Skipped] + [Event] * 4
    assert found[4].reason.startswith(f'line 5: "{lines[4]}": expected ')


def test_each_sample_of_an_exposition_is_an_event_of_its_line():
    found = events(EXPOSITION * 2)
    assert [event.number for event in found] == [3, 4, 6, 7, 10, 11, 13, 14]
    assert [event.values for event in found[:4]] == [
        (('calls_total{code="200"}', 1027.0),), (('calls_total{code="500"}', 3.0),),
        (('seconds_bucket{le="+Inf"}', 7.0),), (("seconds_sum", 53.5),),
    ]  # fmt: skip


@pytest.mark.parametrize("stamp", ["# 2026-11-01T00:00:00Z", "Sun Nov  1 00:00:00 UTC 2026", str(T)])
def test_a_line_that_is_a_time_is_that_of_the_samples_after_it(stamp):
    scrapes = f"{stamp}\n{EXPOSITION}# 2026-11-01T00:01:00Z\n{EXPOSITION}"
    assert [event.timestamp.minute for event in events(scrapes)] == [0] * 4 + [1] * 4


def test_texts_are_left_out_and_said_and_a_line_of_texts_alone_is_no_event():
    lines = [f'system,host=a uptime="3 days, 4:05",load=0.5 {T}', f'system,host=a version="1 2" {T}']
    assert [event.values for event in events("\n".join(lines))] == [(('system.load{host="a"}', 0.5),)]
    notes = made_for(lines_of("\n".join(lines))).notes
    assert notes == ("fields that hold no numbers are left out: uptime, version",)


def test_a_time_that_is_none_is_named():
    found = read(f"up 1 {T}000\nup 1 17\nup 1 {T}000\n", "metrics")
    assert (
        found[1].reason == 'line 2: "17" is no time in s, ms, µs or ns since 1970; correct it or leave it out'
    )


@pytest.mark.parametrize("text", [
    "worker id=5\nworker id=6\n", "retry 3\nretry 4\n", "level=info count=3\nlevel=info count=4\n",
    "1793491200 cache hit\n1793491201 cache miss\n", "GET /a 200 1793491200\nGET /b 200 1793491201\n",
    "# a note\n# another one\n", "cache: 5\ncache: 6\n",
])  # fmt: skip
def test_a_log_of_words_and_numbers_stays_a_log(text):
    assert made_for(lines_of(text)).kind == "logs"


def test_words_and_numbers_are_metrics_where_that_is_asked_for():
    assert [event.values for event in events("retry 3\nretry 4\n", "metrics")] == [
        (("retry", 3.0),),
        (("retry", 4.0),),
    ]


def test_a_field_for_the_time_is_refused():
    clock = TimestampReader(MOMENT, time_field="when")
    with pytest.raises(FormatError, match="the time has no name in lines of Graphite"):
        read(f"a.b 1 {T}\na.b 2 {T}\n", clock=clock)


@pytest.mark.parametrize("line", ["a" + " " * 50_000 + "b", "a{" + " ," * 30_000, 'a{b="' + "\\" * 50_000,
                                  "a,b=c" * 9_000, "a b=" + '"' * 50_001, "up 1 " + "9" * 5_000])  # fmt: skip
@pytest.mark.parametrize("dialect", ["Influx", "Graphite", "Wavefront", "StatsD", "Prometheus"])
def test_a_long_line_of_another_form_is_named(dialect, line):
    made = made_for(lines_of(LINES[dialect][0].format(T)), "metrics", fresh_clock())
    assert [type(one) for one in made.read(2, line.encode(), len(line))] == [Skipped]


def test_what_is_unusual_in_scrapes_of_one_file_is_found_in_its_line():
    scrapes = [f"# TYPE a counter\na {50 * n + n * n % 7}\nb {50 + n * n % 7}\n" for n in range(2000)]
    scrapes[1600] = scrapes[1600].replace("\nb ", "\nb 9")
    found = [one for one in detect(events("".join(scrapes)), Parameters(), "metrics") if one.is_significant]
    assert [one.oddest_line for one in found] == [3 * 1600 + 3]
