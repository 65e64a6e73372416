"""What every process counts."""

from prometheus_client import Counter, Gauge

published = Counter("entraide_outbox_published_total", "Outbox rows confirmed by the broker", ["service", "lane"])
applied = Counter("entraide_records_applied_total", "Records applied", ["service", "topic"])
duplicates = Counter("entraide_records_duplicate_total", "Records dropped by their mark", ["service", "topic"])
parked = Counter("entraide_records_parked_total", "Records parked", ["service", "topic", "reason"])
lag = Gauge("entraide_consumer_lag", "Records not yet applied", ["service", "topic"])
deadlines = Counter("entraide_deadlines_fired_total", "Deadlines fired", ["service", "kind"])
notices = Counter("entraide_notices_total", "Mails and SMS that went out or were given up", ["service", "channel", "outcome"])
