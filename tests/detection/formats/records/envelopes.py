"""One event as programs, agents and services wrap it."""

import base64
import json

WORDS = "cache miss for user 17"
INNER = json.dumps({"level": "info", "logger": "shop.Orders", "msg": WORDS})
NS = "1793491200000000000"

ENVELOPES = {
    "zap": {"level": "info", "ts": 1793491200.5, "caller": "a.go:7", "msg": WORDS},
    "zerolog": {"level": "info", "time": 1793491200, "message": WORDS},
    "bunyan": {
        "name": "app",
        "hostname": "h",
        "pid": 7,
        "level": 30,
        "msg": WORDS,
        "time": "2026-11-01T00:00:00.5Z",
        "v": 0,
    },
    "pino": {"level": 30, "time": 1793491200500, "pid": 7, "hostname": "h", "msg": WORDS},
    "winston": {"level": "info", "message": WORDS, "timestamp": "2026-11-01T00:00:00Z"},
    "structlog": {"event": WORDS, "level": "info", "timestamp": "2026-11-01T00:00:00Z"},
    "log4j": {
        "instant": {"epochSecond": 1793491200, "nanoOfSecond": 5},
        "thread": "main",
        "level": "INFO",
        "loggerName": "a",
        "message": WORDS,
    },
    "logback": {
        "@timestamp": "2026-11-01T00:00:00Z",
        "@version": "1",
        "message": WORDS,
        "logger_name": "a",
        "level": "INFO",
    },
    "Serilog": {"@t": "2026-11-01T00:00:00Z", "@mt": WORDS, "@l": "Warning", "User": 17},
    "slog": {"time": "2026-11-01T00:00:00Z", "level": "INFO", "msg": WORDS, "user": 17},
    "GELF": {
        "version": "1.1",
        "host": "h",
        "short_message": WORDS,
        "timestamp": 1793491200.5,
        "level": 6,
        "_app": "shop",
    },
    "ECS": {
        "@timestamp": "2026-11-01T00:00:00Z",
        "log.level": "info",
        "message": WORDS,
        "ecs.version": "1.2.0",
        "event": {"dataset": "a"},
    },
    "Logstash": {
        "@timestamp": "2026-11-01T00:00:00Z",
        "@version": "1",
        "host": {"name": "h"},
        "message": WORDS,
        "tags": ["a"],
    },
    "Elasticsearch": {
        "_index": "logs",
        "_id": "1",
        "_source": {"@timestamp": "2026-11-01T00:00:00Z", "message": WORDS},
    },
    "journald": {
        "__REALTIME_TIMESTAMP": "1793491200000000",
        "MESSAGE": WORDS,
        "PRIORITY": "6",
        "_HOSTNAME": "h",
    },
    "journald bytes": {
        "__REALTIME_TIMESTAMP": "1793491200000000",
        "MESSAGE": list(f"\x1b[31m{WORDS}\r".encode()),
    },
    "Docker": {"log": f"{WORDS}\n", "stream": "stdout", "time": "2026-11-01T00:00:00.5Z"},
    "Docker with JSON": {"log": f"{INNER}\n", "stream": "stdout", "time": "2026-11-01T00:00:00.5Z"},
    "Docker with logfmt": {
        "log": f'level=info msg="{WORDS}"\n',
        "stream": "stdout",
        "time": "2026-11-01T00:00:00Z",
    },
    "Docker with klog": {
        "log": f"I1101 00:00:00.5  7 a.go:15] {WORDS}\n",
        "stream": "stderr",
        "time": "2026-11-01T00:00:00Z",
    },
    "fluent-bit": {
        "log": f"{WORDS}\n",
        "stream": "stdout",
        "time": "2026-11-01T00:00:00Z",
        "kubernetes": {"pod_name": "p", "labels": {"app": "w"}},
    },
    "GCP text": {
        "insertId": "a",
        "textPayload": WORDS,
        "timestamp": "2026-11-01T00:00:00Z",
        "severity": "INFO",
    },
    "GCP JSON": {
        "insertId": "a",
        "jsonPayload": {"message": WORDS},
        "timestamp": "2026-11-01T00:00:00Z",
        "severity": "INFO",
    },
    "CloudWatch": {"id": "1", "timestamp": 1793491200500, "message": WORDS, "ingestionTime": 1793491200600},
    "CloudWatch subscription": {
        "logGroup": "g",
        "logStream": "s",
        "logEvents": [{"id": "1", "timestamp": 1793491200500, "message": WORDS}],
    },
    "Azure": {
        "records": [
            {"time": "2026-11-01T00:00:00Z", "category": "kube", "properties": {"log": WORDS, "pod": "p"}}
        ]
    },
    "Azure text": {
        "time": "2026-11-01T00:00:00Z",
        "category": "kube",
        "properties": json.dumps({"log": WORDS, "pod": "p"}),
    },
    "Datadog": {
        "id": "a",
        "type": "log",
        "attributes": {"message": WORDS, "service": "s", "timestamp": "2026-11-01T00:00:00Z"},
    },
    "Splunk HEC": {"time": 1793491200.5, "host": "h", "sourcetype": "s", "event": WORDS},
    "Splunk HEC JSON": {"time": 1793491200.5, "host": "h", "event": {"message": WORDS, "severity": "INFO"}},
    "Loki": {"streams": [{"stream": {"app": "web"}, "values": [[NS, WORDS]]}]},
    "Loki query": {
        "status": "success",
        "data": {"resultType": "streams", "result": [{"stream": {"app": "w"}, "values": [[NS, WORDS]]}]},
    },
    "logcli": {"labels": {"app": "web"}, "line": WORDS, "timestamp": "2026-11-01T00:00:00Z"},
    "Kafka": {"topic": "t", "partition": 0, "offset": 7, "ts": 1793491200500, "key": None, "payload": INNER},
    "Kafka Connect": {"schema": {"type": "struct"}, "payload": {"ts": 1793491200500, "message": WORDS}},
    "Pub/Sub": {
        "publishTime": "2026-11-01T00:00:00Z",
        "time": "2026-11-01T00:00:00Z",
        "message": {"data": base64.b64encode(WORDS.encode() + b"  ").decode()},
    },
    "OTLP": {
        "resourceLogs": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "s"}}]},
                "scopeLogs": [{"logRecords": [{"timeUnixNano": NS, "body": {"stringValue": WORDS}}]}],
            }
        ]
    },
    "OTLP map": {
        "resourceLogs": [
            {
                "scopeLogs": [
                    {
                        "logRecords": [
                            {
                                "observedTimeUnixNano": NS,
                                "body": {
                                    "kvlistValue": {
                                        "values": [{"key": "message", "value": {"stringValue": WORDS}}]
                                    }
                                },
                            }
                        ]
                    }
                ]
            }
        ]
    },
    "winlogbeat": {
        "@timestamp": "2026-11-01T00:00:00Z",
        "message": WORDS,
        "winlog": {"event_id": 7036, "channel": "System"},
    },
    "MongoDB": {
        "t": {"$date": "2026-11-01T00:00:00Z"},
        "s": "I",
        "c": "NETWORK",
        "id": 22943,
        "ctx": "listener",
        "msg": WORDS,
        "attr": {"n": 1},
    },
    "PostgreSQL": {
        "timestamp": "2026-11-01 00:00:00.5 UTC",
        "pid": 7,
        "error_severity": "LOG",
        "message": WORDS,
    },
    "Monolog": {
        "message": WORDS,
        "context": {},
        "level": 200,
        "level_name": "INFO",
        "datetime": {"date": "2026-11-01 00:00:00.5", "timezone": "UTC"},
    },
    "Azure diagnostics": {
        "time": "2026-11-01T00:00:00Z",
        "operationName": "Op",
        "category": "Console",
        "resultDescription": WORDS,
    },
    "Azure's table of syslog": {
        "TimeGenerated": "2026-11-01T00:00:00Z",
        "Computer": "h",
        "SyslogMessage": WORDS,
    },
    "macOS": {"timestamp": "2026-11-01 00:00:00.5+0000", "eventMessage": WORDS, "processID": 7},
    "Elasticsearch fields": {
        "_index": "logs",
        "fields": {"@timestamp": ["2026-11-01T00:00:00Z"], "message": [WORDS]},
    },
    "Suricata": {
        "timestamp": "2026-11-01T00:00:00.5+0000",
        "event_type": "alert",
        "alert": {"signature_id": 7, "signature": WORDS},
    },
    "ConvertTo-Json": {"TimeCreated": "/Date(1793491200500)/", "Id": 7036, "Message": WORDS},
    "audit of Falco": {"output": WORDS, "priority": "Notice", "rule": "r", "time": "2026-11-01T00:00:00.5Z"},
}
