"""COMMENT ON each table, column and view of the contract: what `\\d+` and a dashboard's editor show.

A comment takes no lock that a reader or a writer waits for, and touches no row. The reverse removes the comments,
those of an adopted database that stood there before too.
"""

from django.db import migrations

DECISION = "Username of who {} it; NULL: nobody, or not on this row's present status."
TABLES = {
    "anomalies": (
        "One row for each stretch of a stream that a detector flagged, and what was decided about it.",
        {
            "id": "Unique; made from the content by ingest and detect, so that the same finding is one row.",
            "timestamp": "When the window happened.",
            "stream_type": "logs, metrics, traces or llm.",
            "ncd_score": "Normalized compression distance of baseline and window, 0 to 1.",
            "p_value": "Probability of a window at least as odd in a stream without anomalies, 0 to 1.",
            "status": "pending, acknowledged (confirmed real), dismissed (not real) or investigating.",
            "glass_box_explanation": "What a person reads first: one sentence.",
            "detailed_explanation": "The explanation in full.",
            "compression_baseline": "Compressed / raw size of the baseline.",
            "compression_window": "Compressed / raw size of the window.",
            "compression_combined": "Compressed / raw size of baseline and window together.",
            "compression_ratio_change": "Percent: (window - baseline) / baseline × 100.",
            "baseline_entropy": "Bits per byte of the baseline.",
            "window_entropy": "Bits per byte of the window.",
            "entropy_change": "Bits per byte: window - baseline.",
            "confidence_level": "1 - p_value, 0 to 1.",
            "is_statistically_significant": "True where p_value is below the threshold that the detector used.",
            "baseline_data": "Evidence: the events before the window.",
            "window_data": "Evidence: the events of the window.",
            "metadata": "Free form: host, service, file, line, detector version.",
            "tags": "Free form labels.",
            "acknowledged_by": DECISION.format("acknowledged"),
            "acknowledged_at": "When it was acknowledged.",
            "dismissed_by": DECISION.format("dismissed"),
            "dismissed_at": "When it was dismissed.",
            "notes": "The analyst's note.",
            "created_at": "When the row was inserted.",
            "updated_at": "When the row last changed; a trigger sets it.",
            "novelty": "Share of the newest event that its stream had not shown before, 0 to 1.",
            "dismissal_reason": "false_positive, known_harmless, duplicate or other.",
            "investigating_by": DECISION.format("investigates"),
            "investigating_at": "When the investigation began.",
            "version": "Counts the changes of the row; a trigger sets it.",
            "assigned_to": "Username of the assignee.",
            "assigned_by": "Username of who assigned it.",
            "assigned_at": "When it was assigned.",
            "snoozed_until": "Out of the queue until then.",
            "snooze_ncd_above": "Out of the queue until a newer anomaly of its stream has an NCD above this.",
            "snooze_more": "Out of the queue until so many more of its stream arrive within 24 hours.",
            "snoozed_by": "Username of who snoozed it.",
            "snoozed_at": "When it was snoozed.",
        },
    ),
    "detection_config": (
        "The thresholds that detectors use. Exactly one row is active.",
        {
            "id": "Number of the config.",
            "ncd_threshold": "Least novelty of a flagged window, 0 to 1.",
            "p_value_threshold": "A flagged window's p-value lies below this, 0 to 1.",
            "baseline_size": "Events before the window.",
            "window_size": "Events of a window.",
            "hop_size": "Events from the start of one window to the start of the next.",
            "stream_overrides": "By stream type, other values for the columns above.",
            "created_at": "When the config was made.",
            "updated_at": "When it last changed; a trigger sets it.",
            "created_by": "Username of who made it.",
            "notes": "Why it was made.",
            "is_active": "True for the one config that is in use.",
            "version": "Counts the changes of the row; a trigger sets it.",
        },
    ),
    "performance_metrics": (
        "Durations of requests and jobs; a detection's row also says how many windows it tested.",
        {
            "id": "Number of the measurement.",
            "timestamp": "When it ended.",
            "metric_type": "What was measured: request, ingest, detect.",
            "endpoint": "The address or the source.",
            "duration_ms": "Milliseconds.",
            "success": "False where it failed.",
            "error_message": "Why it failed.",
            "metadata": "Free form figures.",
        },
    ),
    "audit_log": (
        "Who changed what, when, from where. Triggers write it; nothing updates or deletes its rows.",
        {
            "id": "Number of the entry.",
            "timestamp": "When it was written.",
            "username": "Who acted, as the program named them.",
            "ip_address": "The address they came from.",
            "action": "What was done: insert, update, login, export and so on.",
            "resource_type": "What kind of thing was changed.",
            "resource_id": "Which one, where it has a UUID.",
            "old_values": "The changed columns before.",
            "new_values": "The changed columns after.",
            "metadata": "Program, database user, decision, transaction.",
        },
    ),
}
VIEWS = {
    "recent_significant_anomalies": (
        "The 100 newest anomalies that are significant with a p-value below 0.05, newest first.",
        {
            "id": "The anomaly.",
            "timestamp": "When the window happened.",
            "stream_type": "logs, metrics, traces or llm.",
            "ncd_score": "Normalized compression distance, 0 to 1.",
            "p_value": "0 to 1.",
            "status": "pending, acknowledged, dismissed or investigating.",
            "glass_box_explanation": "What a person reads first: one sentence.",
            "compression_ratio_change": "Percent: (window - baseline) / baseline × 100.",
            "tags": "Free form labels.",
            "created_at": "When the row was inserted.",
        },
    ),
    "anomaly_stats_by_stream": (
        "Counts by stream type, read from the table; anomaly_stats_by_stream_now reads the roll-up.",
        {
            "stream_type": "logs, metrics, traces or llm.",
            "total_anomalies": "All of them.",
            "significant_anomalies": "Those that are statistically significant.",
            "avg_ncd_score": "Average NCD.",
            "avg_p_value": "Average p-value.",
            "pending_count": "Those that wait for a decision.",
            "acknowledged_count": "Those confirmed real.",
            "dismissed_count": "Those found not to be real.",
            "investigating_count": "Those under investigation.",
        },
    ),
}


def statements(remove: bool = False) -> list[str]:
    """COMMENT statements for everything above, or those that remove the comments."""
    made = []
    for kind, relations in (("TABLE", TABLES), ("VIEW", VIEWS)):
        for relation, (about, columns) in relations.items():
            made.append(f"COMMENT ON {kind} {relation} IS {_literal(about, remove)}")
            made += [
                f"COMMENT ON COLUMN {relation}.{column} IS {_literal(text, remove)}"
                for column, text in columns.items()
            ]
    return made


def _literal(text: str, remove: bool) -> str:
    return "NULL" if remove else "'" + text.replace("'", "''") + "'"


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0028_tags_counted")]

    operations = [migrations.RunSQL(statements(), statements(remove=True))]
