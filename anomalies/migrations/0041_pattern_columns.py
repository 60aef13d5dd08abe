"""What was odd in an anomaly, with its variable parts masked: its pattern, per stream and source.

``anomaly_template()`` takes the odd text and masks it, ``anomaly_source()`` reads the source from the metadata, and
``anomaly_pattern_key()`` is a hash of algorithm, stream, source and template: the same on every machine. All three
are immutable. Another algorithm gets a number of its own, and other keys with it.

The odd text: where the explanation begins with a quoted line (“…), the text of that line in window_data, which is the
one with the number ``odd_line`` of the metadata, or with the number that the explanation names, or the first one that
is marked ``odd``. Otherwise it is the explanation's first line, up to the place that it names. Its first 1,000
characters are masked; a template has 400 at most.

Numbers, words with a digit before a letter, hexadecimal words of eight characters or more, addresses and dates become
#; several in a row become one. Where several alternatives match, PostgreSQL takes the longest. The collation is "C":
no locale decides what a letter is.

The columns are nullable, hence added in an instant; 0043 has them written.
"""

import importlib

from django.db import migrations, models

pinning = importlib.import_module("anomalies.migrations.0031_pin_audit_functions")

OWN, PINNED = pinning.OWN, pinning.PINNED
ALGORITHM = 1
PURE = f"IMMUTABLE PARALLEL SAFE {PINNED}"

_HEX = "[0-9a-fA-F]"
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
# Each replaces its matches by #, in this order. One expression of them all takes five times as long.
VARIABLE = [
    f"(?:{_DAY},? +)?(?:[0-9]{{1,2}}[-/ ])?{_MONTH}[-/ ]+[0-9]+",
    f"{_HEX}{{8}}-(?:{_HEX}{{4}}-){{3}}{_HEX}{{12}}",
    rf"\m(?:{_HEX}{{0,4}}:){{3,7}}(?:{_HEX}{{1,4}})?\M",
    rf"\m{_HEX}{{8,}}\M|[0-9A-Za-z]*[0-9][A-Za-z][0-9A-Za-z]*|[0-9]+",
    # Several in a row, a sign, and a unit, which depends on the size of a number.
    r"[-+]?#(?:[-+.:,/_ ]*#)*(?: (?:ns|us|ms|s|min|h|d|B|kB|MB|GB|TB)\M)?",
]
MASKING = "\n        ".join(f"odd := regexp_replace(odd, '{each}', '#', 'g');" for each in VARIABLE)
BEGINNING = r"^(?:[-:, ]|\[?#\]?(?:[-:, ]|$)|(?:UTC|GMT)[-:, ])+"

# The lines of an explanation that quote one line, and those of them that say something about lines like it.
QUOTES = "^“"
OTHERWISE = "” and lines like it: |” right after “"
PLACE = r"\((?:line|record) ([0-9][0-9,]{0,14})"
LINE_OF_A_RECORD = r"(record [0-9,]+) \(line [0-9,]+\)"
BEHIND = r"( \((line|record) [0-9,]+|”? came ([a-z]+|[0-9,]+ times)[,;. ]).*$"

TEMPLATE = f"""
    CREATE FUNCTION {OWN}.anomaly_template(explanation text, window_data jsonb, metadata jsonb)
    RETURNS text LANGUAGE plpgsql {PURE} AS $$
    DECLARE
        headline text := regexp_replace(split_part(left(explanation, 1000), E'\\n', 1), '^For review: ', '');
        number text;
        odd text COLLATE "C";
    BEGIN
        IF headline ~ '{QUOTES}' AND headline !~ '{OTHERWISE}' THEN
            IF jsonb_typeof(metadata -> 'odd_line') = 'number' THEN
                number := metadata ->> 'odd_line';
            ELSE
                number := substring(regexp_replace(headline, '{LINE_OF_A_RECORD}', '\\1') from '.*{PLACE}');
            END IF;
            odd := coalesce(
                jsonb_path_query_first(
                    window_data, '$[*] ? (@.line == $number).text',
                    jsonb_build_object('number', replace(number, ',', '')::numeric), true
                ),
                jsonb_path_query_first(window_data, '$[*] ? (@.odd == true).text', '{{}}', true)
            ) #>> '{{}}';
        END IF;
        IF odd IS NULL THEN
            odd := regexp_replace(regexp_replace(headline, '{BEHIND}', ''), '[^ “”]*…', '…', 'g');
        END IF;
        odd := left(odd, 1000);
        {MASKING}
        odd := btrim(regexp_replace(odd, ' {{2,}}|[\\t\\r\\n\\f\\v]+', ' ', 'g'));
        RETURN left(coalesce(nullif(regexp_replace(odd, '{BEGINNING}', ''), ''), odd), 400);
    END;
    $$
"""
SOURCE_KEYS = "service service.name file host".split()
# A rotated file is the same source: no date, number or compression in its name.
ROTATION = r"[-_.]?(19|20)[0-9]{2}[-_.]?[01][0-9][-_.]?[0-3][0-9]|([.][0-9]{1,3})?([.](gz|zst|bz2|xz))?$"
SOURCE = f"""
    CREATE FUNCTION {OWN}.anomaly_source(metadata jsonb)
    RETURNS text LANGUAGE plpgsql {PURE} AS $$
    DECLARE
        key text;
        found text COLLATE "C";
    BEGIN
        FOREACH key IN ARRAY ARRAY[{", ".join(f"'{key}'" for key in SOURCE_KEYS)}] LOOP
            IF jsonb_typeof(metadata -> key) = 'string' THEN
                found := btrim(metadata ->> key);
                IF key = 'file' THEN
                    found := coalesce(nullif(regexp_replace(found, '{ROTATION}', '', 'g'), ''), found);
                END IF;
                IF found <> '' THEN
                    RETURN left(found, 255);
                END IF;
            END IF;
        END LOOP;
        RETURN '';
    END;
    $$
"""
KEY = f"""
    CREATE FUNCTION {OWN}.anomaly_pattern_key(stream_type text, source text, template text)
    RETURNS uuid LANGUAGE sql {PURE} AS $$
        SELECT encode(substr(sha256(convert_to(
            '{ALGORITHM}' || E'\\n' || stream_type || E'\\n' || source || E'\\n' || template, 'UTF8'
        )), 1, 16), 'hex')::uuid
    $$
"""
FORWARDS = [
    TEMPLATE,
    SOURCE,
    KEY,
    f"COMMENT ON COLUMN {OWN}.anomalies.source IS 'Service, file or host of the metadata; a trigger writes it.'",
    f"COMMENT ON COLUMN {OWN}.anomalies.pattern IS 'Key of its pattern (anomaly_patterns); a trigger writes it.'",
]
BACKWARDS = [
    f"DROP FUNCTION {OWN}.anomaly_pattern_key(text, text, text)",
    f"DROP FUNCTION {OWN}.anomaly_source(jsonb)",
    f"DROP FUNCTION {OWN}.anomaly_template(text, jsonb, jsonb)",
]


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0040_json_limits_validated")]

    operations = [
        migrations.AddField(
            model_name="anomaly",
            name="source",
            field=models.CharField(editable=False, max_length=255, null=True),
        ),
        migrations.AddField(
            model_name="anomaly",
            name="pattern",
            field=models.UUIDField(editable=False, null=True),
        ),
        pinning.InOwnSchema(FORWARDS, BACKWARDS),
    ]
