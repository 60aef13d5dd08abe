"""A trigger applies the rules of triage_rules to what an INSERT or a COPY brings, within the same statement.

One pass a statement over its rows: a rule is looked up once for each pattern among them, by an index, and the rows
that it is about are updated at once, so the entries, the version and the roll-ups are those of any decision.
The entries have the owner's name, and the rule's id as their batch. A pattern's rule comes before a maintenance
window, and of two windows the older one. Without an active rule the trigger asks for one, and that is all.

What has come: a row that is pending and was never changed, whose ``created_at`` is not before the rule's. A row that
is loaded from a copy keeps what was decided about it.

Rows count in the order of their timestamps. The first one above the rule's NCD, or beyond its number within the
row's hour (UTC), stays pending with all behind it, as if they came one by one, and stops the rule. So does an
owner, or an assignee, without an active account.

Nobody waits for another writer here: hits are added to a row that nobody has locked, or else to a new one, and a
rule that is locked is stopped by the next row. A snapshot of REPEATABLE READ may be older than a row, so there
hits always make a new one. The apply worker of logical replication does not fire the trigger: what it brings
was decided where it comes from.

The loop's query looks up patterns in a nested loop over an index, and joins what it found by hashing, whatever
the planner believes about a transition table: a plan is kept for the session.
"""

import importlib

from django.db import migrations

pinning = importlib.import_module("anomalies.migrations.0031_pin_audit_functions")

OWN, AS_OWNER = pinning.OWN, pinning.AS_OWNER

ACTIVE = "stopped_at IS NULL AND expires_at > now()"
BY_PATTERN = f"""
                SELECT candidate.id, candidate.timestamp, candidate.ncd_score, matched.rule, 0 AS place, now() AS since
                FROM candidate JOIN (
                    SELECT brought.pattern, one.id AS rule, one.created_at
                    FROM (SELECT DISTINCT pattern FROM candidate) AS brought
                    CROSS JOIN LATERAL (
                        SELECT id, created_at FROM {OWN}.triage_rules
                        WHERE pattern = brought.pattern AND {ACTIVE} LIMIT 1
                    ) AS one
                ) AS matched ON matched.pattern = candidate.pattern AND candidate.created_at >= matched.created_at"""
BY_WINDOW = """
                SELECT candidate.id, candidate.timestamp, candidate.ncd_score, calendar.id, 1, calendar.created_at
                FROM candidate JOIN calendar
                  ON candidate.timestamp >= calendar.window_start AND candidate.timestamp < calendar.window_end
                 AND calendar.stream_type IN ('', candidate.stream_type)
                 AND calendar.source IN ('', candidate.source)
                 AND candidate.created_at >= calendar.created_at"""
HOUR = "date_trunc('hour', timestamp, 'UTC')"
FOUND = f"""
            WITH candidate AS MATERIALIZED (
                SELECT id, timestamp, created_at, ncd_score, pattern, stream_type, source
                FROM inserted WHERE status = 'pending' AND version = 1
            ), calendar AS MATERIALIZED (
                SELECT id, created_at, window_start, window_end, stream_type, source
                FROM {OWN}.triage_rules WHERE pattern IS NULL AND {ACTIVE}
            ), matched AS (
                SELECT DISTINCT ON (id) id, timestamp, ncd_score, rule
                FROM ({BY_PATTERN}
                UNION ALL{BY_WINDOW}
                ) AS about ORDER BY id, place, since, rule
            ), counted AS (
                SELECT *, {HOUR} AS hour,
                       row_number() OVER (PARTITION BY rule, {HOUR} ORDER BY timestamp, id) AS nth
                FROM matched
            ), before AS MATERIALIZED (
                SELECT each.rule, each.hour, (
                    SELECT coalesce(sum(hits), 0) FROM {OWN}.triage_rule_hours AS kept
                    WHERE kept.rule_id = each.rule AND kept.hour = each.hour
                ) AS hits
                FROM (SELECT DISTINCT rule, hour FROM counted) AS each
            ), judged AS (
                SELECT counted.*, before.hits + nth AS number,
                       counted.ncd_score > limits.ncd_limit AS is_above,
                       before.hits + nth > limits.hourly_limit AS is_more
                FROM counted JOIN before USING (rule, hour)
                JOIN {OWN}.triage_rules AS limits ON limits.id = counted.rule
            ), ordered AS (
                SELECT *, coalesce(bool_or(is_above OR is_more) OVER (
                    PARTITION BY rule ORDER BY timestamp, id), false) AS is_beyond
                FROM judged
            )
            SELECT rule, array_agg(id) FILTER (WHERE NOT is_beyond) AS ids,
                   array_agg(hour) FILTER (WHERE NOT is_beyond) AS hours,
                   (array_agg(CASE WHEN is_above
                        THEN format('NCD %s of anomaly %s is above %s', ncd_score, id,
                                    (SELECT ncd_limit FROM {OWN}.triage_rules WHERE triage_rules.id = rule))
                        ELSE format('anomaly %s is the %s. in the hour from %s UTC; the most is %s', id, number,
                                    to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
                                    (SELECT hourly_limit FROM {OWN}.triage_rules WHERE triage_rules.id = rule)) END
                    ORDER BY timestamp, id) FILTER (WHERE is_beyond))[1] AS why
            FROM ordered GROUP BY rule ORDER BY rule"""


def said(who, about):
    """Statements that set in whose name, and about what, the next entries are written."""
    return f"""
                PERFORM set_config('driftlock.username', {who}, true), set_config('driftlock.address', '', true),
                        set_config('driftlock.context', {about}::text, true);"""


PLANNER = ("enable_nestloop", "enable_seqscan")
SPOKEN = ("driftlock.username", "driftlock.address", "driftlock.context")
FORMER = [f"coalesce(current_setting('{name}', true), '')" for name in (*PLANNER, *SPOKEN)]


def restored(names, first):
    settings = ", ".join(
        f"set_config('{name}', former[{number}], true)" for number, name in enumerate(names, start=first)
    )
    return f"PERFORM {settings};"


# The columns that triage.decisions writes.
DISMISSED = """status = 'dismissed', dismissed_by = applied.owner, dismissed_at = now(),
                        dismissal_reason = applied.dismissal_reason,
                        notes = CASE WHEN coalesce(notes, '') = '' THEN applied.note ELSE notes || E'\\n' || applied.note END,
                        snoozed_until = NULL, snooze_ncd_above = NULL, snooze_more = NULL, snoozed_by = NULL,
                        snoozed_at = NULL"""
ASSIGNED = "assigned_to = applied.assign_to, assigned_by = applied.owner, assigned_at = now()"
SNOOZED = """snoozed_until = coalesce(applied.window_end, applied.expires_at), snooze_ncd_above = NULL,
                        snooze_more = NULL, snoozed_by = applied.owner, snoozed_at = now()"""

HITS = f"""
                FOR slot IN
                    SELECT hour, count(*) AS hits FROM unnest(matching.hours) AS hour GROUP BY hour ORDER BY hour
                LOOP
                    slot_id := NULL;
                    IF current_setting('transaction_isolation') = 'read committed' THEN
                        SELECT id INTO slot_id FROM {OWN}.triage_rule_hours
                        WHERE rule_id = applied.id AND hour = slot.hour
                        ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
                    END IF;
                    IF slot_id IS NULL THEN
                        INSERT INTO {OWN}.triage_rule_hours (rule_id, hour, hits, last_at)
                        VALUES (applied.id, slot.hour, slot.hits, clock_timestamp());
                    ELSE
                        UPDATE {OWN}.triage_rule_hours SET hits = hits + slot.hits, last_at = clock_timestamp()
                        WHERE id = slot_id;
                    END IF;
                END LOOP;"""
STOP = f"""
                {said("'driftlock'", "jsonb_build_object('via', 'rule', 'batch', gen_random_uuid())")}
                UPDATE {OWN}.triage_rules SET stopped_at = clock_timestamp(), stop_reason = matching.why WHERE id IN (
                    SELECT id FROM {OWN}.triage_rules WHERE id = applied.id AND stopped_at IS NULL
                    FOR NO KEY UPDATE SKIP LOCKED
                );"""
NOT_ACTIVE = f"""
                SELECT format('%s has no active account', name) INTO missing
                FROM unnest(ARRAY[applied.owner, applied.assign_to]) AS name
                WHERE name IS NOT NULL AND NOT EXISTS (
                    SELECT FROM {OWN}.auth_user WHERE username = name AND is_active
                ) LIMIT 1;
                IF missing IS NOT NULL THEN
                    matching.ids := NULL;
                    matching.hours := NULL;
                    matching.why := missing;
                END IF;"""

APPLYING = pinning.function(
    "apply_triage_rules()",
    f"""IF NOT EXISTS (SELECT FROM {OWN}.triage_rules WHERE {ACTIVE}) THEN
                RETURN NULL;
            END IF;
            former := ARRAY[{", ".join(FORMER)}];
            PERFORM set_config('enable_nestloop', 'off', true), set_config('enable_seqscan', 'off', true);
            FOR matching IN {FOUND}
            LOOP
                {restored(PLANNER, 1)}
                SELECT * INTO applied FROM {OWN}.triage_rules WHERE id = matching.rule;
                {NOT_ACTIVE}
                {
        said(
            "applied.owner",
            "jsonb_build_object('via', 'rule', 'batch', applied.id, 'rule', applied.id, 'note', applied.note)",
        )
    }
                IF applied.action = 'dismiss' THEN
                    UPDATE {OWN}.anomalies SET {DISMISSED} WHERE id = ANY (matching.ids);
                ELSIF applied.action = 'assign' THEN
                    UPDATE {OWN}.anomalies SET {
        ASSIGNED
    } WHERE id = ANY (matching.ids) AND assigned_to IS NULL;
                ELSIF coalesce(applied.window_end, applied.expires_at) > now() THEN
                    UPDATE {OWN}.anomalies SET {SNOOZED} WHERE id = ANY (matching.ids) AND snoozed_at IS NULL;
                END IF;
                {HITS}
                IF matching.why IS NOT NULL THEN{STOP}
                END IF;
            END LOOP;
            {restored((*PLANNER, *SPOKEN), 1)}""",
    f"""DECLARE
            former text[];
            matching record;
            applied {OWN}.triage_rules;
            slot record;
            slot_id bigint;
            missing text;""",
    pinning.EXACT,
)
FORWARDS = [
    APPLYING,
    f"REVOKE ALL ON FUNCTION {OWN}.apply_triage_rules() FROM PUBLIC",
    # Triggers fire by the alphabet: after the entry about the INSERT, and its figures in the roll-ups.
    f"CREATE TRIGGER triage_rules_applied AFTER INSERT ON {OWN}.anomalies "
    f"REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION {OWN}.apply_triage_rules()",
]
BACKWARDS = [
    f"DROP TRIGGER triage_rules_applied ON {OWN}.anomalies",
    f"DROP FUNCTION {OWN}.apply_triage_rules()",
]


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0047_triage_rules")]

    operations = [pinning.InOwnSchema(FORWARDS, BACKWARDS)]
